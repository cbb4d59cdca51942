"""One batch of messages into the archive: everything in one transaction, or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from muniment import log
from muniment.contents.codec import EncodedPart, encode, sha256_of
from muniment.db import jobs, messages, stores
from muniment.db.database import Session
from muniment.db.jobs import Progress
from muniment.db.messages import NewEntry, NewMessage, PartRow
from muniment.errors import RunCancelled, Transient, Unstorable
from muniment.mail.headers import read_headers
from muniment.model.message import FetchedMessage, Headers, RawMessage
from muniment.model.run import Lease, MessageCounts, RunState
from muniment.services.doors import Doors

_log = log.get(__name__)

#: Headers are looked for in so many first bytes of a message.
HEAD_BYTES = 256 * 1024


@dataclass
class Batch:
    """Fetched messages of one folder; `close` frees their bytes once, whatever happened to them.

    `cursor`: every UID up to it is dealt with when this batch is; 0 when that cannot be said.
    `breaks`: messages given up because the connection broke at each try.
    """

    cursor: int
    messages: list[FetchedMessage]
    release: Callable[[], None] = lambda: None
    breaks: int = 0
    _closed: bool = field(default=False, init=False)

    @property
    def size(self) -> int:
        """Bytes of all messages."""
        return sum(message.raw.size for message in self.messages if message.raw is not None)

    async def after(self, step: Awaitable[None]) -> None:
        """Wait for a step that comes first; when it fails, free this batch, for nobody else will."""
        try:
            await step
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Free the messages and their share of the byte budget."""
        if self._closed:
            return
        self._closed = True
        for message in self.messages:
            if message.raw is not None:
                message.raw.close()
        self.release()


@dataclass(frozen=True)
class Target:
    """The folder that messages go to, and the right to write there."""

    lease: Lease
    folder_id: int
    uidvalidity: int
    renumbered: bool


@dataclass(frozen=True)
class _Readable:
    """A message with bytes, made ready for the store."""

    message: FetchedMessage
    raw: RawMessage
    new: NewMessage

    @property
    def sha256(self) -> bytes:
        return self.new.sha256


@dataclass(frozen=True)
class _Refused:
    """A message for the quarantine, with its bytes when there are any."""

    uid: int
    reason: str
    raw: RawMessage | None = None


async def commit_batch(doors: Doors, target: Target, batch: Batch) -> None:
    """Store a batch.

    LeaseLost when the lease is another's, and then nothing of it is stored; RunCancelled, after the
    commit, when the run was cancelled.

    What PostgreSQL refuses goes alone, then without its headers, then without flags and date, then
    into quarantine with its raw bytes: one bad message stops nobody.
    """
    readable = await asyncio.to_thread(_prepare, batch.messages)
    refused = [_Refused(message.uid, message.reason) for message in batch.messages if message.raw is None]
    try:
        await _commit(doors, target, readable, refused, cursor=batch.cursor, breaks=batch.breaks)
    except Unstorable as error:
        _log.warning("batch refused by PostgreSQL, going one by one", folder=target.folder_id, error=str(error))
        await _commit(doors, target, [], refused, cursor=0)
        for one in readable:
            await _commit_alone(doors, target, one)
        await _commit(doors, target, [], [], cursor=batch.cursor)


async def _commit_alone(doors: Doors, target: Target, one: _Readable) -> None:
    bare = replace(one, new=replace(one.new, headers=Headers()))
    reason = ""
    barest = replace(bare, message=replace(one.message, flags=(), internal_date=None))
    for attempt in (one, bare, barest):
        try:
            await _commit(doors, target, [attempt], [], cursor=0)
        except Unstorable as error:
            reason = str(error)
        else:
            return
    await _commit(doors, target, [], [_Refused(one.message.uid, reason, one.raw)], cursor=0)


def _prepare(fetched: Iterable[FetchedMessage]) -> list[_Readable]:
    """Hash each message and read its headers (in a thread: it is CPU work)."""
    return [
        _Readable(message, raw, NewMessage(sha256_of(raw), raw.size, read_headers(raw.head(HEAD_BYTES))))
        for message in fetched
        if (raw := message.raw) is not None
    ]


async def _commit(
    doors: Doors,
    target: Target,
    readable: Sequence[_Readable],
    refused: Sequence[_Refused],
    *,
    cursor: int,
    breaks: int = 0,
) -> None:
    async with doors.database.session() as session:
        known = await messages.known(session, [one.sha256 for one in readable])
    lacking = {one.sha256: one for one in readable if one.sha256 not in known}
    encoded = await asyncio.to_thread(_encode_small, lacking.values(), doors.settings.spool_bytes)
    async with doors.database.transaction() as session:
        recognised = await _recognise(session, target, readable)
        fresh = [one for one in readable if one.message.uid not in recognised]
        await _store(session, target, fresh, lacking, encoded)
        for one in refused:
            parts = None if one.raw is None else ((part.codec, part.data) for part in encode(one.raw))
            await messages.quarantine(session, target.folder_id, target.uidvalidity, one.uid, one.reason, parts)
        counts = MessageCounts(len(readable) + len(refused), len(fresh), len(recognised), len(refused))
        progress = Progress(counts, sum(one.raw.size for one in fresh), target.folder_id, cursor, breaks)
        # Last, so that the job's row is locked only for the commit itself: whoever leases the job
        # after this waits for it, and whoever did before makes the whole transaction fail.
        state = await jobs.progress(session, target.lease, progress, doors.settings.lease_seconds)
    if state is RunState.CANCELLING:
        raise RunCancelled


async def _recognise(session: Session, target: Target, readable: Sequence[_Readable]) -> set[int]:
    """Return the UIDs of messages that the folder held under an older UIDVALIDITY; they keep their entry."""
    if not target.renumbered or not readable:
        return set()
    uids = [one.message.uid for one in readable]
    hashes = [one.sha256 for one in readable]
    return await messages.claim_renumbered(session, target.folder_id, target.uidvalidity, uids, hashes)


async def _store(
    session: Session,
    target: Target,
    fresh: Sequence[_Readable],
    lacking: dict[bytes, _Readable],
    encoded: dict[bytes, list[EncodedPart]],
) -> None:
    """Write contents that the store lacks, message rows, entries and outbox rows."""
    if not fresh:
        return
    store_id = await stores.current(session)
    hashes = {one.sha256 for one in fresh}
    added = await messages.add(session, store_id, [lacking[sha].new for sha in sorted(hashes & lacking.keys())])
    if added:
        await messages.write_parts(session, store_id, _parts(added, lacking, encoded))
    ids = added | await messages.ids(session, store_id, list(hashes - added.keys()))
    if len(ids) < len(hashes):  # known a moment ago, in the store that was current then
        raise Transient("the current archive store changed during a commit")
    entries = [
        NewEntry(one.message.uid, ids[one.sha256], one.message.internal_date, one.message.flags) for one in fresh
    ]
    sizes = {message_id: lacking[sha256].raw.size for sha256, message_id in added.items()}
    await messages.add_entries(session, store_id, target.folder_id, target.uidvalidity, entries, sizes)


def _encode_small(lacking: Iterable[_Readable], limit: int) -> dict[bytes, list[EncodedPart]]:
    """Compress ahead of the transaction what is small; large messages are compressed while they are written."""
    return {one.sha256: list(encode(one.raw)) for one in lacking if one.raw.size <= limit}


async def _parts(
    added: dict[bytes, int], lacking: dict[bytes, _Readable], encoded: dict[bytes, list[EncodedPart]]
) -> AsyncIterator[PartRow]:
    for sha256, message_id in added.items():
        if sha256 in encoded:
            for number, part in enumerate(encoded[sha256]):
                yield message_id, number, part.codec, part.data
            continue
        parts = encode(lacking[sha256].raw)
        number = 0
        while following := await asyncio.to_thread(_next, parts):
            yield message_id, number, following[0].codec, following[0].data
            number += 1


def _next(parts: Iterator[EncodedPart]) -> list[EncodedPart]:
    """Return the next part, or nothing at the end: StopIteration cannot leave a thread."""
    return list(islice(parts, 1))
