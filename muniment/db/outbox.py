"""The index outbox: messages that must be added to, changed in or removed from the search index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from muniment.db.database import Session
from muniment.db.sql import load

_SQL = load("outbox")


@dataclass(frozen=True)
class OutboxRow:
    """A message to index; `building`: only in the generation that is being built; `slow`: with its slow attachments."""

    id: int
    store_id: int
    message_id: int
    building: bool
    slow: bool = False


async def claim(session: Session, limit: int, *, slow: bool = False) -> list[OutboxRow]:
    """Lock and return up to `limit` rows, slow ones or others, that no other worker has locked, in a transaction."""
    if slow:
        return await session.rows(OutboxRow, _SQL["claim_slow"], limit)
    return await session.rows(OutboxRow, _SQL["claim"], limit)


async def set_aside(session: Session, rows: Sequence[OutboxRow]) -> None:
    """Put the messages of these rows into the outbox as slow ones, unless they are there already."""
    await session.execute(_SQL["set_aside"], [row.id for row in rows])


async def next_version(session: Session) -> int:
    """Return a version for documents that are read after this call."""
    version: int = await session.value(_SQL["next_version"])
    return version


async def done(session: Session, rows: Sequence[OutboxRow]) -> None:
    """Delete rows, in the transaction that claimed them."""
    await session.execute(_SQL["done"], [row.id for row in rows])


async def add(session: Session, store_id: int, message_ids: Sequence[int], *, building: bool = False) -> None:
    """Put messages into the outbox."""
    await session.execute(_SQL["add"], store_id, list(message_ids), building)


async def waiting(session: Session, store_id: int, limit: int) -> int:
    """Return how many rows of a store are waiting, counted up to `limit`."""
    count: int = await session.value(_SQL["waiting"], store_id, limit)
    return count


async def is_building_waiting(session: Session, store_id: int) -> bool:
    """Whether messages of a store are waiting for the generation that is being built."""
    waits: bool = await session.value(_SQL["is_building_waiting"], store_id)
    return waits
