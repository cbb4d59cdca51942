"""Commit a group of batches from one or more folders in a single transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice

from muniment import log, metrics
from muniment.contents import ContentStore, NewContent
from muniment.contents.codec import EncodedPart, encode, sha256_of
from muniment.db import flags, jobs, messages, stores
from muniment.db.database import Session
from muniment.db.jobs import Progress
from muniment.db.messages import Copy, FlaggedSubstitute, NewEntry, NewMessage, Wrapper
from muniment.errors import RunCancelled, Transient, Unstorable
from muniment.mail.headers import read_headers
from muniment.mail.substitutes import Patterns, Substitute, load_patterns
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

#: The largest number that PostgreSQL stores; servers may announce any size.
_MOST = 2**63 - 1

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
    substitute: Substitute | None = None  # if the server delivered it in place of another message

    @property
    def sha256(self) -> bytes:
        return self.new.sha256

    @property
    def place(self) -> tuple[int, int]:
        """Folder id and UID."""
        return self.target.folder_id, self.message.uid

    @property
    def is_again(self) -> bool:
        """Whether a substitute is archived under this UID."""
        return self.message.uid in self.target.again

    @property
    def is_missing(self) -> bool:
        """Whether the message stands for one that is missing."""
        return self.substitute is not None and self.substitute.is_certain


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
        readable = await asyncio.to_thread(_prepare, filings, load_patterns(resources.settings.substitutes_file))
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


def _prepare(filings: Iterable[Filing], patterns: Patterns) -> list[_Readable]:
    """Hash each message, read its headers, and recognise substitutes; CPU-bound, so call it in a thread."""
    return [
        _readable(filing.target, message, raw, patterns)
        for filing in filings
        for message in filing.batch.messages
        if (raw := message.raw) is not None
    ]


def _readable(target: Target, message: FetchedMessage, raw: RawMessage, patterns: Patterns) -> _Readable:
    head = raw.head(HEAD_BYTES)
    collected = None
    if target.distribution is not None:
        collected = read_collected(raw, head, target.distribution)
        if collected.raw is not raw:
            raw, head = collected.raw, collected.raw.head(HEAD_BYTES)
    headers = read_headers(head)
    new = NewMessage(sha256_of(raw), raw.size, headers)
    return _Readable(target, message, raw, new, collected, patterns.find(head, headers))


async def _commit(resources: Resources, lease: Lease, portion: _Portion) -> dict[int, int]:
    refused = portion.refused
    # Once more a substitute for the same message: there is nothing to store but the attempt.
    still = [item for item in portion.readable if item.is_again and item.is_missing]
    readable = [item for item in portion.readable if not (item.is_again and item.is_missing)]
    async with resources.database.session() as session:
        known = await messages.known(session, [item.sha256 for item in readable])
    lacking = {item.sha256: item for item in readable if item.sha256 not in known}
    with timed(Stage.COMPRESS):
        encoded = await asyncio.to_thread(_encode_small, lacking.values(), resources.settings.spool_bytes)
    with timed(Stage.COMMIT):
        async with resources.database.transaction() as session:
            await _supersede(session, readable)
            recognised = await _recognise(session, readable)
            fresh = [item for item in readable if item.place not in recognised]
            destinations = await _distribute(session, fresh)
            unowned = [item for item in fresh if destinations.get(item.place) == []]
            if unowned:
                left = [(*item.place, item.target.uidvalidity) for item in unowned]
                await messages.leave_unowned(session, [(folder, validity, uid) for folder, uid, validity in left])
                fresh = [item for item in fresh if destinations.get(item.place) != []]
            await _store(resources.contents, session, fresh, lacking, encoded, destinations)
            await _flag(session, [*still, *fresh, *(item for item in readable if item.place in recognised)])
            await _quarantine(session, refused)
            missing = await prove_folders(session, lease, portion.visits)
            filtered = sum(len(visit.filtered) for visit in portion.visits) + len(unowned)
            progress = _progress(portion, fresh, [item for item in readable if item.place in recognised], filtered)
            # Keep this last: the job's row is then locked only for the commit itself. A worker that leases the job
            # after this waits for the commit; one that leased it before makes this whole transaction fail.
            if portion.readable or refused or portion.cursors or portion.breaks or filtered:
                state = await jobs.progress(session, lease, progress, resources.settings.lease_seconds)
            else:  # a proof alone is no progress and does not reset the failure count
                state = await jobs.extend(session, lease, resources.settings.lease_seconds)
    _count(progress)
    if state is RunState.CANCELLING:
        raise RunCancelled
    return missing


def _progress(
    portion: _Portion, fresh: Sequence[_Readable], recognised: Sequence[_Readable], filtered: int
) -> Progress:
    """Count each message once; one that stands for a missing message is not an archived one."""
    archived = sum(not item.is_missing for item in fresh)
    known = sum(not item.is_missing for item in recognised)
    substitutes = {item.place for item in portion.readable if item.is_missing}
    quarantined = len(portion.refused) + len(substitutes)
    counts = MessageCounts(archived + known + quarantined, archived, known, quarantined, filtered)
    odd_sizes = sum(item.message.is_size_odd for item in (*fresh, *recognised))
    return Progress(counts, sum(item.raw.size for item in fresh), portion.cursors, portion.breaks, odd_sizes)


def _count(progress: Progress) -> None:
    counts = progress.counts
    for outcome in ("archived", "known", "quarantined"):
        metrics.MESSAGES.labels(outcome).inc(getattr(counts, outcome))
    metrics.BYTES.inc(progress.size)


async def _supersede(session: Session, readable: Sequence[_Readable]) -> None:
    """Make way for messages whose substitutes hold their UIDs."""
    for target, group in groupby((item for item in readable if item.is_again), lambda item: item.target):
        await messages.supersede(session, target.folder_id, target.uidvalidity, [item.message.uid for item in group])


async def _quarantine(session: Session, refused: Iterable[_Refused]) -> None:
    for item in refused:
        parts = None if item.raw is None else ((part.codec, part.data) for part in encode(item.raw))
        folder_id, uidvalidity = item.target.folder_id, item.target.uidvalidity
        size = None if item.raw is None else item.raw.size
        await messages.quarantine(session, folder_id, uidvalidity, item.uid, item.reason, parts, size=size)


async def _flag(session: Session, found: Sequence[_Readable]) -> None:
    flagged = [
        FlaggedSubstitute(
            item.target.folder_id, item.target.uidvalidity, item.message.uid, what.name, is_certain=what.is_certain
        )
        for item in found
        if (what := item.substitute) is not None
    ]
    await messages.flag_substitutes(session, flagged)


async def _recognise(session: Session, readable: Sequence[_Readable]) -> set[tuple[int, int]]:
    """Return the places of messages that the folder held under an older UIDVALIDITY; they keep their entries."""
    recognised: set[tuple[int, int]] = set()
    for target, group in groupby(readable, lambda item: item.target):
        if target.renumbered:
            ours = list(group)
            uids, hashes = [item.message.uid for item in ours], [item.sha256 for item in ours]
            found = await messages.claim_renumbered(session, target.folder_id, target.uidvalidity, uids, hashes)
            recognised.update((target.folder_id, uid) for uid in found)
            # No flags may mean that the server did not report them; the folder's next look at its flags tells.
            told = {item.message.uid: item.message.flags for item in ours if item.message.uid in found}
            await flags.follow(session, target.folder_id, target.uidvalidity, {u: f for u, f in told.items() if f})
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
            min(item.message.announced or 0, _MOST) if item.message.is_size_odd else None,
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
