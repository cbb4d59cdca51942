"""Archive one folder: what the server has and the archive lacks, then the completeness proof."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from muniment import log
from muniment.db import folders, messages
from muniment.errors import Transient
from muniment.model.folder import FolderStatus
from muniment.services.commit_batch import Batch, commit_batch
from muniment.services.doors import Doors
from muniment.services.fetch_batches import fetch_batches, still_there
from muniment.services.folder_work import FolderWork, give_up_folder_if_last
from muniment.services.slice_budget import SliceBudget

_log = log.get(__name__)

_EVER = datetime(1970, 1, 1, tzinfo=UTC)


async def archive_folder(doors: Doors, work: FolderWork, slice_budget: SliceBudget) -> int | None:
    """Archive the folder's news; return how many messages are missing at the end (0 = proven complete).

    None when the slice was over before the folder was done. The folder is opened with EXAMINE and
    read with BODY.PEEK[]: nothing changes on the server.
    """
    try:
        seen = await _look(work)
    except Transient as error:
        await give_up_folder_if_last(doors, work, error)
        raise
    if not seen.status.uidvalidity:
        # Without UIDVALIDITY no UID outlives the connection (RFC 9051 §2.3.1.1): a numbering for this visit alone,
        # which no slice may cut. Known messages are recognised by content.
        async with doors.database.session() as session:
            seen = replace(seen, status=replace(seen.status, uidvalidity=await folders.new_numbering(session)))
        slice_budget = SliceBudget()
    work = await _renumber(doors, work, seen.status)
    todo = await _news(doors, work, seen.uids)
    if todo and not await _fetch_and_commit(doors, work, todo, slice_budget):
        return None
    return await _prove(doors, work, seen)


@dataclass(frozen=True)
class _Seen:
    """What the server shows of an open folder. `hidden`: messages that it counts and does not list."""

    status: FolderStatus
    uids: Sequence[int]
    hidden: int


async def _look(work: FolderWork) -> _Seen:
    status = await work.session.examine(work.folder)
    uids = await work.session.search_uids()
    # Of what it counted when the folder was opened and counts still: others came or went meanwhile.
    counted = min(status.messages or 0, work.session.exists)
    return _Seen(status, uids, max(0, counted - len(uids)))


async def _renumber(doors: Doors, work: FolderWork, status: FolderStatus) -> FolderWork:
    """Adopt the server's UIDVALIDITY (RFC 9051 §2.3.1.1); a new one makes every old UID meaningless."""
    state = work.state
    if state.uidvalidity == status.uidvalidity:
        return work
    if state.uidvalidity:
        _log.warning("UIDVALIDITY changed", folder=state.id, was=state.uidvalidity, now=status.uidvalidity)
    if state.uidvalidity > 0:
        async with doors.database.transaction() as session:
            await folders.renumber(session, work.lease, state.id, status.uidvalidity)
            await folders.park(session, [state.id])
    else:
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
        async with aclosing(fetch_batches(doors, work, todo)) as fetched:
            async for batch in fetched:
                slice_budget.spend(batch.size)
                if committing is not None:
                    await batch.after(committing)
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


async def _commit(doors: Doors, work: FolderWork, batch: Batch) -> None:
    try:
        await commit_batch(doors, work.target, batch)
    finally:
        batch.close()


async def _prove(doors: Doors, work: FolderWork, seen: _Seen) -> int:
    """Compare the UIDs on the server with those archived, store the result and return what is missing."""
    state, listed, status = work.state, work.folder.status, seen.status
    async with doors.database.session() as session:
        uids = await folders.uids(session, state.id, state.uidvalidity, _EVER)
    archived = set(uids.archived)
    absent = await still_there(work.session, [uid for uid in seen.uids if uid not in archived])
    missing = len(absent) + seen.hidden
    settled = archived.intersection(uids.quarantined)
    gone = set(uids.quarantined).difference(settled, absent)
    # The older of the two answers: what arrived between LIST and EXAMINE makes the next run look again.
    basis = listed if listed is not None and listed.uidvalidity == status.uidvalidity else status
    # One statement needs no transaction around it, which saves two round trips for nearly every folder.
    more = uids.quarantined or state.renumbered
    async with doors.database.transaction() if more else doors.database.session() as session:
        on_server = len(seen.uids) + seen.hidden
        await folders.prove(session, work.lease, state.id, basis, on_server=on_server, missing=missing)
        if state.renumbered:
            await messages.forget_old_numberings(session, state.id, state.uidvalidity)
        if settled:
            await messages.forget_quarantine(session, state.id, state.uidvalidity, sorted(settled))
        if gone:
            await messages.forget_gone(session, state.id, state.uidvalidity, sorted(gone))
    if missing:
        _log.warning("folder is not complete", folder=state.id, on_server=on_server, missing=missing)
    return missing
