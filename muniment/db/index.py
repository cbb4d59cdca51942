"""What the index has to hear of, how it stands, and what is shown of what it finds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from muniment.db.database import Session
from muniment.db.sql import load
from muniment.model.index_problem import IndexProblem

_SQL = load("index")
_LOCK = 0x4D494458  # "MIDX"
_TEND = 0x4D494454  # "MIDT"


@dataclass(frozen=True)
class OutboxRow:
    """A message that the index has to look at anew; `building`: only the index that is being built."""

    id: int
    store_id: int
    message_id: int
    building: bool


@dataclass(frozen=True)
class Facts:
    """What is stored about a message, and where it stands."""

    store_id: int
    message_id: int
    sha256: bytes
    size: int
    archived: datetime
    header_id: str
    subject: str
    sender: str
    recipients: str
    date: datetime | None
    archives: list[int]
    folders: list[int]
    flags: list[str]
    is_filed: bool
    received: datetime | None


@dataclass(frozen=True)
class Outcome:
    """What became of a message; `reasons`: why it is not indexed, or not wholly."""

    store_id: int
    message_id: int
    indexed: bool = True
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Generation:
    """A store's index at a backend, its rebuild, and its last comparison with the store."""

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
    ghosts: int


@dataclass(frozen=True)
class Pause:
    """The index takes nothing since then; it is tried again at `not_before`."""

    since: datetime
    failures: int
    not_before: datetime
    reason: str


@dataclass(frozen=True)
class Coverage:
    """What a store holds, and what of it waits for the index, or for the one that is being built."""

    store_id: int
    name: str
    state: str
    messages: int
    outbox: int
    building: int
    failed: int
    partly: int


@dataclass(frozen=True)
class Reason:
    """A reason why messages are not indexed, or not wholly, and how many there are."""

    store_id: int
    indexed: bool
    reason: str
    messages: int


@dataclass(frozen=True)
class FiledRow:
    """A message that was found, at one of its places."""

    store_id: int
    message_id: int
    sha256: bytes
    size: int
    subject: str
    sender: str
    date: datetime | None
    archived: datetime
    user_name: str
    address: str
    path: list[str]
    uid: int


@dataclass(frozen=True)
class FolderRow:
    """A folder that may be looked into."""

    id: int
    address: str
    path: list[str]


@dataclass(frozen=True)
class ArchiveRow:
    """A user whose archive may be looked into."""

    id: int
    name: str


@dataclass(frozen=True)
class TextRow:
    """The text of an attachment that was read before."""

    sha256: bytes
    type: str
    text: str
    problem: str


async def claim(session: Session, limit: int) -> list[OutboxRow]:
    """Lock and return up to `limit` rows that no other worker has; needs a transaction."""
    return await session.rows(OutboxRow, _SQL["claim"], limit)


async def next_version(session: Session) -> int:
    """Return a version for documents that are read after this call."""
    version: int = await session.value(_SQL["next_version"])
    return version


async def facts(session: Session, messages: Sequence[tuple[int, int]]) -> list[Facts]:
    """Return what is stored about messages (store, id); nothing of those that do not exist."""
    return await session.rows(Facts, _SQL["facts"], [one[0] for one in messages], [one[1] for one in messages])


async def done(session: Session, rows: Sequence[OutboxRow]) -> None:
    """Take rows out of the outbox, in the transaction that took them."""
    await session.execute(_SQL["done"], [row.id for row in rows])


async def settle(session: Session, outcomes: Sequence[Outcome], first_seconds: float, cap_seconds: float) -> None:
    """Write down what could not be indexed, or not wholly, and forget former problems of the others."""
    await session.execute(
        _SQL["settle"],
        [one.store_id for one in outcomes],
        [one.message_id for one in outcomes],
        [one.indexed for one in outcomes],
        ["\n".join(one.reasons) for one in outcomes],
        first_seconds,
        cap_seconds,
    )


async def retry(session: Session, limit: int) -> None:
    """Hand failures over again whose wait is over."""
    await session.execute(_SQL["retry"], limit)


async def retry_all(session: Session, store_id: int | None) -> int:
    """Hand every problem of a store, or of all, over again; return how many."""
    count: int = await session.value(_SQL["retry_all"], store_id)
    return count


async def hand_over(session: Session, store_id: int, message_ids: Sequence[int], *, building: bool = False) -> None:
    """Put messages into the outbox."""
    await session.execute(_SQL["hand_over"], store_id, list(message_ids), building)


async def pause(session: Session, reason: str, first_seconds: float, cap_seconds: float) -> None:
    """Write down that the index takes nothing at present."""
    await session.execute(_SQL["pause"], reason, first_seconds, cap_seconds)


async def resume(session: Session) -> None:
    """Forget the pause."""
    await session.execute(_SQL["resume"])


async def paused(session: Session) -> Pause | None:
    """Return the pause, None when the index takes documents."""
    return await session.row(Pause, _SQL["paused"])


async def is_paused(session: Session) -> bool:
    """Whether it is too early for another try."""
    waits: bool = await session.value(_SQL["is_paused"])
    return waits


async def generations(session: Session, backend: str) -> list[Generation]:
    """Return how every store's index stands at a backend; stores it has not heard of get their first one."""
    await session.execute(_SQL["ensure_generations"], backend)
    return await session.rows(Generation, _SQL["generations"], backend)


async def begin_rebuild(session: Session, store_id: int, backend: str) -> bool:
    """Begin a rebuild; False when one is under way."""
    return await session.value(_SQL["begin_rebuild"], store_id, backend) is not None


async def measure_rebuild(session: Session, store_id: int, backend: str) -> None:
    """Write down what has to be handed over, once the rebuild is known to everybody."""
    await session.execute(_SQL["measure_rebuild"], store_id, backend)


async def share(session: Session) -> None:
    """Keep every store's generations as they are until the transaction ends."""
    await session.execute(_SQL["share"], _LOCK)


async def exclude(session: Session) -> None:
    """Wait until nobody shares, and keep others waiting until the transaction ends; DatabaseUnavailable after a minute."""
    await session.execute(_SQL["change_generations"])
    await session.execute(_SQL["exclude"], _LOCK)


async def try_tend(session: Session, store_id: int) -> bool:
    """Whether no other process tends the index of a store; then none does until the transaction ends."""
    mine: bool = await session.value(_SQL["try_tend"], _TEND, store_id)
    return mine


async def hand_over_next(session: Session, store_id: int, backend: str, limit: int) -> int:
    """Hand the next messages over to the index that is being built; return how many, 0 at the end."""
    count: int = await session.value(_SQL["hand_over_next"], store_id, backend, limit)
    return count


async def pending_of(session: Session, store_id: int, limit: int) -> int:
    """Return how many rows of a store wait in the outbox, counted up to `limit`."""
    count: int = await session.value(_SQL["pending_of"], store_id, limit)
    return count


async def is_pending_for_building(session: Session, store_id: int) -> bool:
    """Whether messages wait for the index that is being built."""
    waits: bool = await session.value(_SQL["pending_for_building"], store_id)
    return waits


async def end_rebuild(session: Session, store_id: int, backend: str, generation: int) -> None:
    """Make the generation that was built the one that is searched."""
    await session.execute(_SQL["end_rebuild"], store_id, backend, generation)


async def give_up_rebuild(session: Session, store_id: int, backend: str) -> None:
    """Forget a rebuild, and what waits for it."""
    await session.execute(_SQL["give_up_rebuild"], store_id, backend)
    await session.execute(_SQL["drop_building_rows"], store_id)


async def reconciled(session: Session, store_id: int, backend: str, missing: int, ghosts: int) -> None:
    """Write down what a comparison found."""
    await session.execute(_SQL["reconciled"], store_id, backend, missing, ghosts)


async def ids_after(session: Session, store_id: int, after: int, limit: int) -> list[int]:
    """Return the next ids of a store's messages."""
    return await session.values(_SQL["ids_after"], store_id, after, limit)


async def existing(session: Session, store_id: int, message_ids: Sequence[int]) -> list[int]:
    """Return those messages that the store has."""
    return await session.values(_SQL["existing"], store_id, list(message_ids))


async def is_retry_due(session: Session) -> bool:
    """Whether there is a failure whose wait is over."""
    due: bool = await session.value(_SQL["is_retry_due"])
    return due


async def excused(session: Session, store_id: int, message_ids: Sequence[int]) -> set[int]:
    """Return those messages that wait in the outbox, or were refused by the index."""
    return set(await session.values(_SQL["excused"], store_id, list(message_ids))) if message_ids else set()


async def coverage(session: Session) -> list[Coverage]:
    """Return how much of each store is indexed."""
    return await session.rows(Coverage, _SQL["coverage"])


async def reasons(session: Session, limit: int) -> list[Reason]:
    """Return why messages are not, or not wholly, indexed."""
    return await session.rows(Reason, _SQL["reasons"], limit)


async def problems(session: Session, store_id: int | None, limit: int) -> list[IndexProblem]:
    """Return messages that are not, or not wholly, indexed; the former first."""
    return await session.rows(IndexProblem, _SQL["problems"], store_id, limit)


async def lacking(session: Session, limit: int) -> int:
    """Return how many messages search cannot find now, counted up to about `limit`."""
    count: int = await session.value(_SQL["lacking"], limit)
    return count


async def texts(session: Session, hashes: Sequence[bytes], reader: int) -> dict[bytes, TextRow]:
    """Return texts of attachments, by the SHA-256 of their bytes, that this version of the readers read before."""
    if not hashes:
        return {}
    return {row.sha256: row for row in await session.rows(TextRow, _SQL["texts"], list(hashes), reader)}


async def keep_texts(session: Session, found: Sequence[TextRow], reader: int) -> None:
    """Keep texts of attachments."""
    if found:
        await session.execute(
            _SQL["keep_texts"],
            [one.sha256 for one in found],
            reader,
            [one.type for one in found],
            [one.text for one in found],
            [one.problem for one in found],
        )


async def filed(
    session: Session, messages: Sequence[tuple[int, int]], archives: Sequence[int] | None
) -> list[FiledRow]:
    """Return messages (store, id) at each place in these users' archives, None: in everybody's."""
    allowed = None if archives is None else list(archives)
    return await session.rows(
        FiledRow, _SQL["filed"], [one[0] for one in messages], [one[1] for one in messages], allowed
    )


async def folders_of(session: Session, archives: Sequence[int] | None) -> list[FolderRow]:
    """Return the folders in these users' archives, None: in everybody's."""
    return await session.rows(FolderRow, _SQL["folders_of"], None if archives is None else list(archives))


async def archives_of(session: Session, archives: Sequence[int] | None) -> list[ArchiveRow]:
    """Return the users with these ids, None: everybody."""
    return await session.rows(ArchiveRow, _SQL["archives_of"], None if archives is None else list(archives))
