"""Limits that administrators set on the load on each mail server."""

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
    """Return the limits of every server that has its own, by server name."""
    rows = await session.rows(_Row, _SQL["limits"])
    return {row.server: ServerLimits(row.connections, row.commands_per_second, row.bytes_per_second) for row in rows}


async def set_limits(session: Session, server: str, given: ServerLimits) -> None:
    """Set a server's own limits, replacing previous ones."""
    rates = given.commands_per_second, given.bytes_per_second
    await session.execute(_SQL["set_limits"], server, given.connections, *rates)


async def clear_limits(session: Session, server: str) -> bool:
    """Remove a server's own limits; False if it had none."""
    return await session.value(_SQL["clear_limits"], server) is not None


async def is_first_count(session: Session, seconds: float) -> bool:
    """Return whether counting of connections started less than `seconds` ago; the first call starts it."""
    return bool(await session.value(_SQL["is_first_count"], seconds))
