"""Mail servers: what an administrator allows the fleet to ask of each."""

from __future__ import annotations

from dataclasses import dataclass

from muniment.db.database import Session
from muniment.db.sql import load
from muniment.model.server_limits import ServerLimits

_SQL = load("servers")


@dataclass(frozen=True)
class _Row:
    server: str
    connections: int | None
    commands_per_second: float | None
    bytes_per_second: float | None


async def limits(session: Session) -> dict[str, ServerLimits]:
    """Return the limits of every server that has some of its own, by the server's name."""
    rows = await session.rows(_Row, _SQL["limits"])
    return {row.server: ServerLimits(row.connections, row.commands_per_second, row.bytes_per_second) for row in rows}


async def set_limits(session: Session, server: str, given: ServerLimits) -> None:
    """Give a server limits of its own, in place of those that it had."""
    rates = given.commands_per_second, given.bytes_per_second
    await session.execute(_SQL["set_limits"], server, given.connections, *rates)


async def clear_limits(session: Session, server: str) -> bool:
    """Take a server's own limits away; False when it had none."""
    return await session.value(_SQL["clear_limits"], server) is not None


async def is_first_count(session: Session, seconds: float) -> bool:
    """Tell whether connections have not been counted before, or for less than `seconds`; from now on they are."""
    return bool(await session.value(_SQL["is_first_count"], seconds))
