"""Generations of a store's index: the live one and the one being built; also the last comparison of the index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from muniment.db.database import Session
from muniment.db.sql import load
from muniment.model.document import DOCUMENTS_VERSION

_SQL = load("generations")
_LOCK = 0x4D494458  # "MIDX"
_TEND = 0x4D494454  # "MIDT"


@dataclass(frozen=True)
class Generation:
    """A store's index in a backend, its rebuild, and its last comparison with the store.

    `upto`: the newest message that the rebuild puts into the outbox; None until determined. `orphans`: documents in the
    index without a message in the store. `documents_version`: that of the documents in the live index.
    """

    store_id: int
    store_name: str
    live: int
    building: int | None
    cursor: int
    upto: int | None
    handed: int
    total: int
    started: datetime | None
    reconciled: datetime | None
    missing: int
    orphans: int
    documents_version: int

    @property
    def is_outdated(self) -> bool:
        """Whether the documents in the live index lack what this version of Muniment puts into them."""
        return self.documents_version < DOCUMENTS_VERSION


async def list_all(session: Session, backend: str) -> list[Generation]:
    """Return the generations of every store in a backend; creates the first one of a store that has none."""
    await session.execute(_SQL["ensure"], backend, DOCUMENTS_VERSION)
    return await session.rows(Generation, _SQL["list_all"], backend)


async def share(session: Session) -> None:
    """Prevent changes to the generations of all stores until the transaction ends."""
    await session.execute(_SQL["share"], _LOCK)


async def exclude(session: Session) -> None:
    """Wait until no transaction shares the generations, and block new ones until this transaction ends.

    DatabaseUnavailable after a minute.
    """
    await session.execute(_SQL["change_generations"])
    await session.execute(_SQL["exclude"], _LOCK)


async def try_tend(session: Session, store_id: int) -> bool:
    """Whether no other process tends the index of a store; if so, none can until the transaction ends."""
    mine: bool = await session.value(_SQL["try_tend"], _TEND, store_id)
    return mine


async def begin_rebuild(session: Session, store_id: int, backend: str) -> bool:
    """Start a rebuild; False if one is in progress."""
    return await session.value(_SQL["begin_rebuild"], store_id, backend) is not None


async def measure_rebuild(session: Session, store_id: int, backend: str) -> None:
    """Record what the rebuild must cover; requires a transaction that began after the rebuild was committed."""
    await session.execute(_SQL["measure_rebuild"], store_id, backend)


async def hand_over_next(session: Session, store_id: int, backend: str, limit: int) -> int:
    """Put the next messages into the outbox for the generation being built; return how many, 0 at the end."""
    count: int = await session.value(_SQL["hand_over_next"], store_id, backend, limit)
    return count


async def end_rebuild(session: Session, store_id: int, backend: str, generation: int) -> None:
    """Make the generation that was built the live one."""
    await session.execute(_SQL["end_rebuild"], store_id, backend, generation, DOCUMENTS_VERSION)


async def give_up_rebuild(session: Session, store_id: int, backend: str) -> None:
    """Abandon a rebuild, and delete the outbox rows for it."""
    await session.execute(_SQL["give_up_rebuild"], store_id, backend)
    await session.execute(_SQL["drop_building_rows"], store_id)


async def reconciled(session: Session, store_id: int, backend: str, missing: int, orphans: int) -> None:
    """Record what a comparison of index and store found."""
    await session.execute(_SQL["reconciled"], store_id, backend, missing, orphans)
