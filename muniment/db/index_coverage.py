"""How much of the archive the index covers, according to the database."""

from __future__ import annotations

from dataclasses import dataclass

from muniment.db.database import Session
from muniment.db.sql import load

_SQL = load("index_coverage")


@dataclass(frozen=True)
class Coverage:
    """The messages of a store, and how many wait for the live index or for the one being built."""

    store_id: int
    name: str
    state: str
    messages: int
    outbox: int
    building: int
    failed: int
    partly: int


async def coverage(session: Session) -> list[Coverage]:
    """Return the coverage of each store."""
    return await session.rows(Coverage, _SQL["coverage"])


async def lacking(session: Session, limit: int) -> int:
    """Return how many messages a search cannot find at the moment, counted up to about `limit`."""
    count: int = await session.value(_SQL["lacking"], limit)
    return count
