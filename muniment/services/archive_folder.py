"""Archive one folder: what the server has and the archive lacks, then the completeness proof."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial

from muniment import log
from muniment.db import folders, messages
from muniment.errors import CommandRefused, ServerThrottled, Transient
from muniment.imap import ImapSession, batches, uid_sets
from muniment.model.folder import FolderState, FolderStatus, ServerFolder
from muniment.model.message import FetchedMessage
from muniment.model.run import Lease, LeasedJob
from muniment.services.commit_batch import Batch, Target, commit_batch
from muniment.services.doors import Doors
from muniment.services.slice_budget import SliceBudget

_log = log.get(__name__)

#: Sizes are asked for so many messages at once (RFC822.SIZE), to cut batches by bytes.
SIZES_WINDOW = 5000

#: So many messages of a job are given up because the connection breaks at them; more are the server's fault.
MAX_BREAKS = 3

NOT_DELIVERED = "the server lists the message but does not deliver it"

_EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class FolderWork:
    """A folder on the server, what the archive knows of it, and the right to write."""

    job: LeasedJob
    session: ImapSession
    folder: ServerFolder
    state: FolderState

    @property
    def lease(self) -> Lease:
        """What every write is guarded by."""
        return self.job.lease

    @property
    def target(self) -> Target:
        """Where its messages go."""
        return Target(self.lease, self.state.id, self.state.uidvalidity, self.state.renumbered)


async def archive_folder(doors: Doors, work: FolderWork, slice_budget: SliceBudget) -> int | None:
    """Archive the folder's news; return how many messages are missing at the end (0 = proven complete).

    None when the slice was over before the folder was done. The folder is opened with EXAMINE and
    read with BODY.PEEK[]: nothing changes on the server.
    """
    status = await work.session.examine(work.folder)
    if not status.uidvalidity:
        # Without UIDVALIDITY no UID outlives the connection (RFC 9051 §2.3.1.1): a numbering for this run alone,
        # below 0 where no server's can be. Known messages are recognised by content.
        status = replace(status, uidvalidity=-work.job.run_id)
    work = await _renumber(doors, work, status)
    on_server = await work.session.search_uids()
    todo = await _news(doors, work, on_server)
    if todo and not await _fetch_and_commit(doors, work, todo, slice_budget):
        return None
    return await _prove(doors, work, status, on_server)


async def _renumber(doors: Doors, work: FolderWork, status: FolderStatus) -> FolderWork:
    """Adopt the server's UIDVALIDITY (RFC 9051 §2.3.1.1); a new one makes every old UID meaningless."""
    state = work.state
    if state.uidvalidity == status.uidvalidity:
        return work
    if state.uidvalidity:
        _log.warning("UIDVALIDITY changed", folder=state.id, was=state.uidvalidity, now=status.uidvalidity)
    async with doors.database.session() as session:
        await folders.renumber(session, work.lease, state.id, status.uidvalidity)
    renumbered = state.renumbered or state.uidvalidity != 0
    return replace(work, state=replace(state, uidvalidity=status.uidvalidity, last_uid=0, renumbered=renumbered))


async def _news(doors: Doors, work: FolderWork, on_server: Sequence[int]) -> list[int]:
    """Return the UIDs to fetch, ascending: on the server, not archived, not tried in vain during this run.

    It is the difference of two sets, not only what lies above the cursor: a message that a
    capped SEARCH left out below it is found again.
    """
    state = work.state
    async with doors.database.session() as session:
        uids = await folders.uids(session, state.id, state.uidvalidity, work.job.run_started)
    known = {*uids.archived, *uids.quarantined}
    return [uid for uid in on_server if uid not in known]


async def _fetch_and_commit(doors: Doors, work: FolderWork, todo: Sequence[int], slice_budget: SliceBudget) -> bool:
    """Fetch the next batch while the last one commits; False when the slice was over first."""
    committing: asyncio.Task[None] | None = None
    batch: Batch | None = None
    try:
        async with aclosing(_fetched(doors, work, todo)) as fetched:
            async for batch in fetched:
                slice_budget.spend(batch.size)
                if committing is not None:
                    await _or_close(committing, batch)
                committing = asyncio.create_task(_commit(doors, work, batch), name=f"commit folder {work.state.id}")
                if slice_budget.is_over and batch.cursor != todo[-1]:
                    await committing
                    return False
        if committing is not None:
            await committing
    except Transient:
        # The connection broke, and not the commit before: that is worth its time.
        if committing is not None:
            await asyncio.wait({committing})
        raise
    finally:
        if committing is not None and not committing.done():
            committing.cancel()
            await asyncio.wait({committing})
        if committing is not None and not committing.cancelled():
            committing.exception()  # looked at: what is on its way already comes first
        if batch is not None:
            batch.close()  # a commit that was cancelled before its first step has not done it
    return True


async def _or_close(committing: asyncio.Task[None], batch: Batch) -> None:
    """Wait for the commit before this batch; when it fails, nobody else will free the batch."""
    try:
        await committing
    except BaseException:
        batch.close()
        raise


async def _commit(doors: Doors, work: FolderWork, batch: Batch) -> None:
    try:
        await commit_batch(doors, work.target, batch)
    finally:
        batch.close()


async def _fetched(doors: Doors, work: FolderWork, todo: Sequence[int]) -> AsyncGenerator[Batch, None]:
    """Yield batches, each within the process's byte budget until it is closed."""
    for start in range(0, len(todo), SIZES_WINDOW):
        window = todo[start : start + SIZES_WINDOW]
        sizes = await _sizes(work.session, window)
        for uids in batches(window, sizes, doors.limits):
            # A message that waits in a spool file costs no memory to speak of.
            cost = sum(min(sizes.get(uid, 0), doors.limits.spool_bytes) for uid in uids)
            await doors.budget.reserve(cost)
            async with aclosing(_fetch_set(doors, work, uids, cost)) as fetched:
                async for batch in fetched:
                    yield batch


async def _sizes(session: ImapSession, uids: Sequence[int]) -> dict[int, int]:
    """Return sizes in bytes; none when the server refuses: one message that it cannot read stops no other."""
    try:
        return await session.sizes(uids)
    except CommandRefused as error:
        _log.warning("no sizes", error=str(error))
        return {}


async def _fetch_set(doors: Doors, work: FolderWork, uids: Sequence[int], cost: int) -> AsyncGenerator[Batch, None]:
    """Yield the messages of one FETCH as a batch, or as several when they are larger than the server claimed.

    `cost` bytes are reserved and belong to the last batch, which alone moves the cursor. When the connection
    breaks, what came until then is yielded before the error is raised.
    """
    limits, session = doors.limits, work.session
    release = partial(doors.budget.release, cost)
    batch = Batch(uids[-1], [], release)
    absent = set(uids)
    held = 0
    try:
        async with aclosing(session.fetch(uids)) as fetched:
            async for message in fetched:
                batch.messages.append(message)
                absent.discard(message.uid)
                held += min(message.raw.size, limits.spool_bytes) if message.raw is not None else 0
                if held > cost + limits.batch_bytes:
                    surplus = Batch(0, batch.messages)
                    batch.messages, held = [], 0
                    yield surplus
        # Told apart from messages that left the server meanwhile: listed, but not delivered.
        listed = await _still_there(session, sorted(absent))
        batch.messages += [FetchedMessage(uid, (), None, None, NOT_DELIVERED) for uid in listed]
    except Transient as error:
        batch.cursor = 0
        if not batch.messages and absent and _is_last_try(doors, work, error):
            reason = f"the connection broke at each of {work.job.attempt + 1} tries to fetch it: {error}"
            batch.messages.append(FetchedMessage(min(absent), (), None, None, reason))
            batch.breaks = 1
        if batch.messages:
            yield batch
        else:
            batch.close()
        raise
    except BaseException:
        batch.close()
        raise
    yield batch


def _is_last_try(doors: Doors, work: FolderWork, error: Transient) -> bool:
    """Tell whether to give up the message at which the connection breaks, so that the folder goes on without it."""
    if isinstance(error, ServerThrottled) or work.job.breaks >= MAX_BREAKS:
        return False
    return work.job.attempt + 1 >= doors.settings.job_attempts


async def _still_there(session: ImapSession, uids: Sequence[int]) -> list[int]:
    """Return those of `uids` that the server still lists."""
    asked = set(uids)
    found: set[int] = set()
    for uid_set, _ in uid_sets(uids):
        found.update(await session.search_uids(f"UID {uid_set}"))
    return sorted(asked & found)


async def _prove(doors: Doors, work: FolderWork, status: FolderStatus, on_server: Sequence[int]) -> int:
    """Compare the UIDs on the server with those archived, store the result and return what is missing."""
    state, listed = work.state, work.folder.status
    async with doors.database.session() as session:
        uids = await folders.uids(session, state.id, state.uidvalidity, _EVER)
    archived = set(uids.archived)
    missing = await _still_there(work.session, [uid for uid in on_server if uid not in archived])
    settled = archived.intersection(uids.quarantined)
    gone = set(uids.quarantined).difference(settled, missing)
    # The older of the two answers: what arrived between LIST and EXAMINE makes the next run look again.
    basis = listed if listed is not None and listed.uidvalidity == status.uidvalidity else status
    # One statement needs no transaction around it, which saves two round trips for nearly every folder.
    async with doors.database.transaction() if uids.quarantined else doors.database.session() as session:
        await folders.prove(session, work.lease, state.id, basis, on_server=len(on_server), missing=len(missing))
        if settled:
            await messages.forget_quarantine(session, state.id, state.uidvalidity, sorted(settled))
        if gone:
            await messages.forget_gone(session, state.id, state.uidvalidity, sorted(gone))
    if missing:
        _log.warning("folder is not complete", folder=state.id, on_server=len(on_server), missing=len(missing))
    return len(missing)
