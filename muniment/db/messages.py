"""Messages, and the folders in which they are filed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from muniment.db.database import Session
from muniment.db.sql import load
from muniment.model.message import Headers
from muniment.model.place import Place

_SQL = load("messages")


@dataclass(frozen=True)
class NewMessage:
    """A message to store: identity, size in bytes, headers."""

    sha256: bytes
    size: int
    headers: Headers


class NewEntry(NamedTuple):
    """A message filed in a folder under its UID."""

    folder_id: int
    uidvalidity: int
    uid: int
    message_id: int
    internal_date: datetime | None
    flags: tuple[str, ...]
    announced: int | None = None  # the size that the server announced, if it delivered another one


class Copy(NamedTuple):
    """A distributed message, filed in a folder of its owner."""

    folder_id: int
    message_id: int
    internal_date: datetime | None
    flags: tuple[str, ...]


class FlaggedSubstitute(NamedTuple):
    """A message that the server delivered in place of another one. `is_certain`: the other one is missing."""

    folder_id: int
    uidvalidity: int
    uid: int
    name: str
    is_certain: bool


class Wrapper(NamedTuple):
    """The bytes around a message in a journal report, which consists of `begin`, the message and `end`."""

    folder_id: int
    uidvalidity: int
    uid: int
    begin: bytes
    end: bytes


@dataclass(frozen=True)
class Entry:
    """A filed message with the identity of its content; `sha256` is None if the message is missing (damage)."""

    store_id: int
    message_id: int
    uidvalidity: int
    uid: int
    internal_date: datetime | None
    flags: list[str]
    sha256: bytes | None
    size: int


@dataclass(frozen=True)
class StoredMessage:
    """A message of any store."""

    store_id: int
    message_id: int
    sha256: bytes
    size: int


@dataclass(frozen=True)
class Filed:
    """A place where a message is filed."""

    user_name: str
    address: str
    path: list[str]
    uid: int


@dataclass(frozen=True)
class _Id:
    id: int
    sha256: bytes


@dataclass(frozen=True)
class _Quarantined:
    id: int
    first: bool


async def known(session: Session, hashes: Sequence[bytes]) -> set[bytes]:
    """Return those of `hashes` that are in the current store."""
    if not hashes:
        return set()
    return set(await session.values(_SQL["known"], list(hashes)))


async def add(session: Session, store_id: int, messages: Sequence[NewMessage]) -> dict[bytes, int]:
    """Add messages that the store lacks, without contents; return the ids of those added, by hash."""
    headers = [message.headers for message in messages]
    rows = await session.rows(
        _Id,
        _SQL["add"],
        store_id,
        [message.sha256 for message in messages],
        [message.size for message in messages],
        [h.message_id for h in headers],
        [h.subject for h in headers],
        [h.sender for h in headers],
        [h.recipients for h in headers],
        [h.date for h in headers],
        [h.raw or None for h in headers],
    )
    return {row.sha256: row.id for row in rows}


async def ids(session: Session, store_id: int, hashes: Sequence[bytes]) -> dict[bytes, int]:
    """Return the ids of messages in the store, by hash."""
    if not hashes:
        return {}
    return {row.sha256: row.id for row in await session.rows(_Id, _SQL["ids"], store_id, list(hashes))}


async def claim_renumbered(
    session: Session, folder_id: int, uidvalidity: int, uids: Sequence[int], hashes: Sequence[bytes]
) -> set[int]:
    """Give entries with an older UIDVALIDITY their new UIDs if the content is the same; return the recognised UIDs."""
    return set(
        await session.values(_SQL["claim_renumbered"], folder_id, uidvalidity, list(uids), list(hashes)),
    )


async def add_entries(session: Session, store_id: int, entries: Sequence[NewEntry], added: Mapping[int, int]) -> None:
    """File messages in their folders; `added`: sizes of the messages that are new to the store, by id."""
    await session.execute(
        _SQL["add_entries"],
        store_id,
        [entry.folder_id for entry in entries],
        [entry.uidvalidity for entry in entries],
        [entry.uid for entry in entries],
        [entry.message_id for entry in entries],
        [entry.internal_date for entry in entries],
        [" ".join(entry.flags) for entry in entries],
        [entry.announced for entry in entries],
        len(added),
        sum(added.values()),
    )


async def file_copies(session: Session, store_id: int, copies: Sequence[Copy]) -> None:
    """File distributed messages for their owners, except those that an owner already has."""
    await session.execute(
        _SQL["file_copies"],
        store_id,
        [copy.folder_id for copy in copies],
        [copy.message_id for copy in copies],
        [copy.internal_date for copy in copies],
        [" ".join(copy.flags) for copy in copies],
    )


async def wrap(session: Session, wrappers: Sequence[Wrapper]) -> None:
    """Store the bytes around messages that arrived in journal reports, with the entries of these messages."""
    await session.execute(
        _SQL["wrap"],
        [wrapper.folder_id for wrapper in wrappers],
        [wrapper.uidvalidity for wrapper in wrappers],
        [wrapper.uid for wrapper in wrappers],
        [wrapper.begin for wrapper in wrappers],
        [wrapper.end for wrapper in wrappers],
    )


async def flag_substitutes(session: Session, found: Sequence[FlaggedSubstitute]) -> None:
    """Flag archived messages as substitutes; put those that are certain into quarantine, or count another attempt."""
    if not found:
        return
    columns = [list(column) for column in zip(*found, strict=True)]
    await session.execute(_SQL["flag_substitutes"], *columns)


async def supersede(session: Session, folder_id: int, uidvalidity: int, uids: Sequence[int]) -> None:
    """Make way for the originals of substitutes: these keep their entries, which no longer have a UID on the server."""
    await session.execute(_SQL["supersede"], folder_id, uidvalidity, list(uids))
    await session.execute(_SQL["forget_substitutes"], folder_id, uidvalidity, list(uids))


async def leave_unowned(session: Session, places: Sequence[tuple[int, int, int]]) -> None:
    """Record messages without an owner, which remain on the server: (folder id, UIDVALIDITY, UID)."""
    columns = [list(column) for column in zip(*places, strict=True)]
    await session.execute(_SQL["leave_unowned"], columns[0], columns[1], columns[2])


async def quarantine(
    session: Session,
    folder_id: int,
    uidvalidity: int,
    uid: int,
    reason: str,
    parts: Iterable[tuple[int, bytes]] | None,
    *,
    size: int | None = None,
) -> bool:
    """Quarantine a message with the reason and its encoded (codec, data) parts of `size` bytes; True the first time.

    Without `parts`, those of an earlier attempt are kept: they may be the only copy.
    """
    values = (folder_id, uidvalidity, uid, reason.replace("\0", ""), size)
    row = await session.row(_Quarantined, _SQL["quarantine"], *values)
    if row is None:  # INSERT … RETURNING always returns
        raise AssertionError
    if parts is None:
        return row.first
    await session.execute(_SQL["drop_quarantine_parts"], row.id)
    columns = ("quarantine_id", "part", "codec", "data")
    records = ((row.id, number, codec, data) for number, (codec, data) in enumerate(parts))
    await session.copy("quarantine_parts", columns, records)
    return row.first


async def forget_quarantine(session: Session, folder_id: int, uidvalidity: int, uids: Sequence[int]) -> None:
    """Remove archived messages from quarantine."""
    await session.execute(_SQL["forget_quarantine"], folder_id, uidvalidity, list(uids))


async def forget_gone(session: Session, folder_id: int, uidvalidity: int, uids: Sequence[int]) -> None:
    """Remove messages that left the server from quarantine, except those whose bytes are stored (the only copy)."""
    await session.execute(_SQL["forget_gone"], folder_id, uidvalidity, list(uids))


async def forget_old_numberings(session: Session, folder_id: int, uidvalidity: int) -> None:
    """Remove messages with another UIDVALIDITY from quarantine, except those whose bytes are stored."""
    await session.execute(_SQL["forget_old_numberings"], folder_id, uidvalidity)


def entries_of_folder(session: Session, folder_id: int, *, former: bool = False) -> AsyncIterator[Entry]:
    """Yield a folder's entries by UID; requires a transaction. `former`: also those that moved to another folder."""
    return session.stream(Entry, _SQL["entries_of_folder"], folder_id, former)


async def messages_after(session: Session, last: StoredMessage | None, limit: int) -> list[StoredMessage]:
    """Return up to `limit` messages of all stores that follow `last` (None: from the beginning)."""
    place = (last.message_id, last.store_id) if last else (0, 0)
    return await session.rows(StoredMessage, _SQL["messages_after"], *place, limit)


async def where_filed(session: Session, store_id: int, message_id: int) -> list[Filed]:
    """Return all places where a message is filed."""
    return await session.rows(Filed, _SQL["where_filed"], store_id, message_id)


async def places(session: Session, sha256: bytes) -> list[Place]:
    """Return all present and former places of messages with this hash, sorted by user, mailbox and archiving time."""
    return await session.rows(Place, _SQL["places"], sha256)


async def entries_without_message(session: Session, folder_ids: Sequence[int]) -> list[Filed]:
    """Return entries of these folders whose message is missing (damage)."""
    return await session.rows(Filed, _SQL["entries_without_message"], list(folder_ids))


async def ids_after(session: Session, store_id: int, after: int, limit: int) -> list[int]:
    """Return up to `limit` ids above `after` of a store's messages, in order."""
    return await session.values(_SQL["ids_after"], store_id, after, limit)


async def existing(session: Session, store_id: int, message_ids: Sequence[int]) -> list[int]:
    """Return those of `message_ids` that are in the store."""
    return await session.values(_SQL["existing"], store_id, list(message_ids))
