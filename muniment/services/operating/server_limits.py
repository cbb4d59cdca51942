"""Limits of mail servers: the default from the settings, and limits that an administrator set for one server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from muniment.db import servers
from muniment.db.database import Database
from muniment.errors import NotFound
from muniment.governor import Memory, Timing
from muniment.model.server_limits import ServerLimits
from muniment.services.access.audit import Action, act, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources
from muniment.settings import Settings


def default_limits(settings: Settings) -> ServerLimits:
    """Return the limits of servers without their own."""
    return ServerLimits(
        settings.server_connections, settings.server_commands_per_second, settings.server_bytes_per_second
    )


def server_memory(database: Database, timing: Timing) -> Memory:
    """Return what the governor reads from PostgreSQL."""

    async def limits() -> Mapping[str, ServerLimits]:
        async with database.session() as session:
            return await servers.limits(session)

    async def is_first() -> bool:
        async with database.session() as session:
            return await servers.is_first_count(session, timing.quiet)

    return Memory(limits, is_first)


@audited(Action.SERVER_LIMITED, "server")
async def limit_server(principal: Principal, resources: Resources, server: str, given: ServerLimits) -> None:
    """Set limits for one server; they apply to new connections within seconds."""
    principal.require(Right.ADMIN)
    async with resources.database.transaction() as session:
        await servers.set_limits(session, server, given)
        await act(session, principal, Action.SERVER_LIMITED, server, details=asdict(given))


@audited(Action.SERVER_UNLIMITED, "server")
async def unlimit_server(principal: Principal, resources: Resources, server: str) -> None:
    """Remove a server's own limits; NotFound if it has none."""
    principal.require(Right.ADMIN)
    async with resources.database.transaction() as session:
        if not await servers.clear_limits(session, server):
            raise NotFound(f"{server} has no limits of its own", hint="`muniment server list` shows all limits.")
        await act(session, principal, Action.SERVER_UNLIMITED, server)
