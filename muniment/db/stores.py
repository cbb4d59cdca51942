"""Archive stores: which one takes new messages, and the totals of each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from muniment.db.database import Session
from muniment.db.sql import load
from muniment.errors import Transient

_SQL = load("stores")
_LOCK = 0x4D53544F  # "MSTO"


@dataclass(frozen=True)
class Store:
    """An archive store and its totals; `bytes`: of the original messages, `documents`: in the full-text index."""

    id: int
    name: str
    state: str
    created: datetime
    messages: int
    bytes: int
    entries: int
    documents: int


async def current(session: Session) -> int:
    """Return the id of the current store and keep it current until the transaction ends."""
    # A wait for the lock while another store becomes current returns no row; the second attempt finds that store.
    for _ in range(2):
        store_id: int | None = await session.value(_SQL["current"])
        if store_id is not None:
            return store_id
    raise Transient("there is no current archive store")


async def list_all(session: Session) -> list[Store]:
    """Return every store, oldest first."""
    return await session.rows(Store, _SQL["list_all"])


async def sum_up(session: Session) -> None:
    """Aggregate the rows of counts into one per store."""
    await session.execute(_SQL["sum_up"])


async def begin(session: Session, most_messages: int) -> str | None:
    """Make a new store current if the present one holds `most_messages`; return its name. Requires a transaction.

    None if there is room or another process is doing it. DatabaseUnavailable if commits in progress keep their locks
    for too long.
    """
    if not await session.value(_SQL["lock"], _LOCK):
        return None
    if any(store.state == "current" and store.messages < most_messages for store in await list_all(session)):
        return None
    await session.execute(_SQL["patience"])
    name: str = await session.value(_SQL["next_name"])
    await session.value(_SQL["create"], name)
    return name
