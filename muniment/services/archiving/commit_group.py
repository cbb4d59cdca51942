"""Commit a group of batches from one or more folders in a single transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice

from muniment import log, metrics
from muniment.contents import ContentStore, NewContent
from muniment.contents.codec import EncodedPart, encode, sha256_of
from muniment.db import jobs, messages, stores
from muniment.db.database import Session
from muniment.db.jobs import Progress
from muniment.db.messages import Copy, NewEntry, NewMessage, Wrapper
from muniment.errors import RunCancelled, Transient, Unstorable
from muniment.mail.headers import read_headers
from muniment.metrics import Stage, timed
from muniment.model.message import FetchedMessage, Headers, RawMessage
from muniment.model.run import Lease, MessageCounts, RunState
from muniment.services.archiving.batch import Filing, Target
from muniment.services.archiving.distribute import (
    CollectedMessage,
    Destination,
    file_for_owners,
    find_destinations,
    read_collected,
)
from muniment.services.archiving.prove_folders import Visited, prove_folders
from muniment.services.resources import Resources

_log = log.get(__name__)

#: Headers are read from this many bytes at the start of a message.
HEAD_BYTES = 256 * 1024


@dataclass(frozen=True)
class _Readable:
    """A message that was delivered, prepared for the store."""

    target: Target
    message: FetchedMessage
    raw: RawMessage
    new: NewMessage
    collected: CollectedMessage | None = None  # of a collecting mailbox

    @property
    def sha256(self) -> bytes:
        return self.new.sha256

    @property
    def place(self) -> tuple[int, int]:
        """Folder id and UID."""
        return self.target.folder_id, self.message.uid


@dataclass(frozen=True)
class _Refused:
    """A message for the quarantine, with its bytes if there are any."""

    target: Target
    uid: int
    reason: str
    raw: RawMessage | None = None


@dataclass(frozen=True)
class _Portion:
    """What one transaction stores. `cursors`: the new cursor of each folder; `breaks`: see `Batch`."""

    readable: Sequence[_Readable] = ()
    refused: Sequence[_Refused] = ()
    visits: Sequence[Visited] = ()
    cursors: dict[int, int] = field(default_factory=dict)
    breaks: int = 0


async def commit_group(
    resources: Resources, lease: Lease, filings: Sequence[Filing], visits: Sequence[Visited]
) -> dict[int, int]:
    """Store batches, then the proofs of the folders that are done; return how many messages each lacks, by folder id.

    Raises LeaseLost if another worker holds the lease; nothing is stored then. Raises RunCancelled after the commit if
    the run was cancelled.

    If PostgreSQL refuses a group, its messages are committed one by one: as they are, then without headers, then also
    without flags and date. A message that is still refused goes into quarantine with its raw bytes, so that one bad
    message does not stop the others.
    """
    with timed(Stage.PREPARE):
        readable = await asyncio.to_thread(_prepare, filings)
    refused = [
        _Refused(filing.target, message.uid, message.reason)
        for filing in filings
        for message in filing.batch.messages
        if message.raw is None
    ]
    cursors: dict[int, int] = {}
    for filing in filings:
        cursors[filing.target.folder_id] = max(cursors.get(filing.target.folder_id, 0), filing.batch.cursor)
    breaks = sum(filing.batch.breaks for filing in filings)
    try:
        return await _commit(resources, lease, _Portion(readable, refused, visits, cursors, breaks))
    except Unstorable as error:
        _log.warning("group refused by PostgreSQL, going one by one", messages=len(readable), error=str(error))
        await _commit(resources, lease, _Portion(refused=refused, breaks=breaks))
        for item in readable:
            await _commit_alone(resources, lease, item)
        return await _commit(resources, lease, _Portion(visits=visits, cursors=cursors))


async def _commit_alone(resources: Resources, lease: Lease, item: _Readable) -> None:
    bare = replace(item, new=replace(item.new, headers=Headers()))
    reason = ""
    barest = replace(bare, message=replace(item.message, flags=(), internal_date=None))
    for attempt in (item, bare, barest):
        try:
            await _commit(resources, lease, _Portion([attempt]))
        except Unstorable as error:
            reason = str(error)
        else:
            return
    await _commit(
        resources, lease, _Portion(refused=[_Refused(item.target, item.message.uid, reason, item.message.raw)])
    )


def _prepare(filings: Iterable[Filing]) -> list[_Readable]:
    """Hash each message and read its headers; CPU-bound, so call it in a thread."""
    return [
        _readable(filing.target, message, raw)
        for filing in filings
        for message in filing.batch.messages
        if (raw := message.raw) is not None
    ]


def _readable(target: Target, message: FetchedMessage, raw: RawMessage) -> _Readable:
    head = raw.head(HEAD_BYTES)
    collected = None
    if target.distribution is not None:
        collected = read_collected(raw, head, target.distribution)
        if collected.raw is not raw:
            raw, head = collected.raw, collected.raw.head(HEAD_BYTES)
    return _Readable(target, message, raw, NewMessage(sha256_of(raw), raw.size, read_headers(head)), collected)


async def _commit(resources: Resources, lease: Lease, portion: _Portion) -> dict[int, int]:
    readable, refused = portion.readable, portion.refused
    async with resources.database.session() as session:
        known = await messages.known(session, [item.sha256 for item in readable])
    lacking = {item.sha256: item for item in readable if item.sha256 not in known}
    with timed(Stage.COMPRESS):
        encoded = await asyncio.to_thread(_encode_small, lacking.values(), resources.settings.spool_bytes)
    with timed(Stage.COMMIT):
        async with resources.database.transaction() as session:
            recognised = await _recognise(session, readable)
            fresh = [item for item in readable if item.place not in recognised]
            destinations = await _distribute(session, fresh)
            unowned = [item for item in fresh if destinations.get(item.place) == []]
            if unowned:
                left = [(*item.place, item.target.uidvalidity) for item in unowned]
                await messages.leave_unowned(session, [(folder, validity, uid) for folder, uid, validity in left])
                fresh = [item for item in fresh if destinations.get(item.place) != []]
            await _store(resources.contents, session, fresh, lacking, encoded, destinations)
            for item in refused:
                parts = None if item.raw is None else ((part.codec, part.data) for part in encode(item.raw))
                await messages.quarantine(
                    session, item.target.folder_id, item.target.uidvalidity, item.uid, item.reason, parts
                )
            missing = await prove_folders(session, lease, portion.visits)
            filtered = sum(len(visit.filtered) for visit in portion.visits) + len(unowned)
            seen = len(readable) + len(refused) - len(unowned)
            counts = MessageCounts(seen, len(fresh), len(recognised), len(refused), filtered)
            progress = Progress(counts, sum(item.raw.size for item in fresh), portion.cursors, portion.breaks)
            # Keep this last: the job's row is then locked only for the commit itself. A worker that leases the job
            # after this waits for the commit; one that leased it before makes this whole transaction fail.
            if readable or refused or portion.cursors or portion.breaks or filtered:
                state = await jobs.progress(session, lease, progress, resources.settings.lease_seconds)
            else:  # a proof alone is no progress and does not reset the failure count
                state = await jobs.extend(session, lease, resources.settings.lease_seconds)
    _count(progress)
    if state is RunState.CANCELLING:
        raise RunCancelled
    return missing


def _count(progress: Progress) -> None:
    counts = progress.counts
    for outcome in ("archived", "known", "quarantined"):
        metrics.MESSAGES.labels(outcome).inc(getattr(counts, outcome))
    metrics.BYTES.inc(progress.size)


async def _recognise(session: Session, readable: Sequence[_Readable]) -> set[tuple[int, int]]:
    """Return the places of messages that the folder held under an older UIDVALIDITY; they keep their entries."""
    recognised: set[tuple[int, int]] = set()
    for target, group in groupby(readable, lambda item: item.target):
        if target.renumbered:
            ours = list(group)
            uids, hashes = [item.message.uid for item in ours], [item.sha256 for item in ours]
            found = await messages.claim_renumbered(session, target.folder_id, target.uidvalidity, uids, hashes)
            recognised.update((target.folder_id, uid) for uid in found)
    return recognised


async def _distribute(session: Session, fresh: Sequence[_Readable]) -> dict[tuple[int, int], list[Destination]]:
    """Return the destinations of messages from collecting mailboxes; none if a message has no owner."""
    every = [(item.place, item.collected, item.target.distribution) for item in fresh]
    ours = [(place, collected, how) for place, collected, how in every if collected is not None and how is not None]
    if not ours:
        return {}
    found = await find_destinations(session, [collected.envelope for _, collected, _ in ours], ours[0][2].rule)
    return {place: destinations for (place, _, _), destinations in zip(ours, found, strict=True)}


async def _store(
    store: ContentStore,
    session: Session,
    fresh: Sequence[_Readable],
    lacking: dict[bytes, _Readable],
    encoded: dict[bytes, list[EncodedPart]],
    destinations: Mapping[tuple[int, int], Sequence[Destination]],
) -> None:
    """Write missing contents, message rows, entries, the owners' entries, and outbox rows."""
    if not fresh:
        return
    store_id = await stores.current(session)
    hashes = {item.sha256 for item in fresh}
    new = [lacking[sha].new for sha in sorted(hashes & lacking.keys())]
    added = await messages.add(session, store_id, new) if new else {}
    if added:
        contents = [
            NewContent(message_id, _parts(lacking[sha256].raw, encoded.get(sha256)))
            for sha256, message_id in added.items()
        ]
        await store.add(session, store_id, contents)
    ids = added | await messages.ids(session, store_id, list(hashes - added.keys()))
    if len(ids) < len(hashes):  # `known` found them in the store that was current then
        raise Transient("the current archive store changed during a commit")
    entries = [
        NewEntry(
            item.target.folder_id,
            item.target.uidvalidity,
            item.message.uid,
            ids[item.sha256],
            item.message.internal_date,
            item.message.flags,
        )
        for item in fresh
    ]
    sizes = {message_id: lacking[sha256].raw.size for sha256, message_id in added.items()}
    await messages.add_entries(session, store_id, entries, sizes)
    if not destinations:
        return
    copies = [Copy(0, ids[item.sha256], item.message.internal_date, item.message.flags) for item in fresh]
    places = [destinations.get(item.place, ()) for item in fresh]
    await file_for_owners(session, store_id, list(zip(copies, places, strict=True)))
    wrapped = [(item, item.collected) for item in fresh if item.collected is not None and item.collected.begin]
    if wrapped:
        wrappers = [
            Wrapper(item.target.folder_id, item.target.uidvalidity, item.message.uid, collected.begin, collected.end)
            for item, collected in wrapped
        ]
        await messages.wrap(session, wrappers)


def _encode_small(lacking: Iterable[_Readable], limit: int) -> dict[bytes, list[EncodedPart]]:
    """Compress small messages before the transaction; large ones are compressed while they are written."""
    return {item.sha256: list(encode(item.raw)) for item in lacking if item.raw.size <= limit}


async def _parts(raw: RawMessage, encoded: Sequence[EncodedPart] | None) -> AsyncIterator[EncodedPart]:
    """Yield a message's parts, compressing those of a large one (`encoded` is None) in a thread."""
    for part in encoded or ():
        yield part
    if encoded is None:
        parts = encode(raw)
        while following := await asyncio.to_thread(_next, parts):
            yield following[0]


def _next(parts: Iterator[EncodedPart]) -> list[EncodedPart]:
    """Return a list of the next part, empty at the end; StopIteration cannot be raised out of a thread."""
    return list(islice(parts, 1))
