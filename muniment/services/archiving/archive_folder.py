"""Archive one folder: what the server has and the archive lacks, and what the proof needs to know."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from muniment import log
from muniment.db import folders
from muniment.errors import Transient
from muniment.model.folder import FolderStatus
from muniment.services.archiving.fetch_batches import fetch_batches
from muniment.services.archiving.folder_work import FolderWork, give_up_folder_if_last
from muniment.services.archiving.prove_folders import Visited
from muniment.services.archiving.writer import Writer
from muniment.services.mailboxes.filter_new_messages import filter_new_messages
from muniment.services.mailboxes.slice_budget import SliceBudget
from muniment.services.mailboxes.still_there import still_there
from muniment.services.resources import Resources

_log = log.get(__name__)


async def archive_folder(resources: Resources, work: FolderWork, writer: Writer, slice_budget: SliceBudget) -> bool:
    """Give the folder's news and, after them, its proof to the writer.

    False when the slice was over before the folder was done. The folder is opened with EXAMINE and
    read with BODY.PEEK[]: nothing changes on the server.
    """
    try:
        seen = await _look(work)
    except Transient as error:
        await give_up_folder_if_last(resources, work, error)
        raise
    if not seen.status.uidvalidity:
        # Without UIDVALIDITY no UID outlives the connection (RFC 9051 §2.3.1.1): a numbering for this visit alone,
        # which no slice may cut. Known messages are recognised by content.
        async with resources.database.session() as session:
            seen = replace(seen, status=replace(seen.status, uidvalidity=await folders.new_numbering(session)))
        slice_budget = SliceBudget()
    renumbered = await _renumber(resources, work, seen.status)
    news = await _news(resources, renumbered, seen.uids)
    todo = await filter_new_messages(work.session, work.profile, work.job.run_started, news.todo)
    delivered = await _fetch(resources, renumbered, todo, writer, slice_budget)
    if delivered is None:
        return False
    filtered = frozenset(news.todo).difference(todo)
    await writer.prove(await _visited(renumbered, seen, news.archived | delivered, filtered))
    return True


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


async def _renumber(resources: Resources, work: FolderWork, status: FolderStatus) -> FolderWork:
    """Adopt the server's UIDVALIDITY (RFC 9051 §2.3.1.1); a new one makes every old UID meaningless."""
    state = work.state
    if state.uidvalidity == status.uidvalidity:
        return work
    if state.uidvalidity:
        _log.warning("UIDVALIDITY changed", folder=state.id, was=state.uidvalidity, now=status.uidvalidity)
    if state.uidvalidity > 0:
        async with resources.database.transaction() as session:
            await folders.renumber(session, work.lease, state.id, status.uidvalidity)
            await folders.park(session, [state.id])
    else:
        async with resources.database.transaction() as session:
            await folders.renumber(session, work.lease, state.id, status.uidvalidity)
            if state.uidvalidity:
                await folders.leave_all(session, state.id)
    renumbered = state.renumbered or state.uidvalidity != 0
    return replace(work, state=replace(state, uidvalidity=status.uidvalidity, last_uid=0, renumbered=renumbered))


@dataclass(frozen=True)
class _News:
    """UIDs to fetch, ascending, and those that the archive holds."""

    todo: list[int]
    archived: set[int]


async def _news(resources: Resources, work: FolderWork, on_server: Sequence[int]) -> _News:
    """Return what to fetch: on the server, not archived, not tried in vain during this run.

    It is the difference of two sets, not only what lies above the cursor: a message that a
    capped SEARCH left out below it is found again.
    """
    if work.is_new:
        return _News(list(on_server), set())
    state = work.state
    async with resources.database.session() as session:
        [held] = await folders.held(session, [(state.id, state.uidvalidity)], work.job.run_started)
    archived = set(held.archived)
    known = archived.union(held.quarantined, held.unowned)
    return _News([uid for uid in on_server if uid not in known], archived)


async def _fetch(
    resources: Resources, work: FolderWork, todo: Sequence[int], writer: Writer, slice_budget: SliceBudget
) -> set[int] | None:
    """Fetch messages and hand them to the writer; return the UIDs that came, None when the slice was over first."""
    delivered: set[int] = set()
    async with aclosing(fetch_batches(resources, work, todo, writer)) as fetched:
        async for batch in fetched:
            delivered.update(message.uid for message in batch.messages if message.raw is not None)
            cursor = batch.cursor
            slice_budget.spend(batch.size)
            await writer.file(work.target, batch)
            if slice_budget.is_over and cursor != todo[-1]:
                return None
    return delivered


async def _visited(work: FolderWork, seen: _Seen, had: set[int], filtered: frozenset[int]) -> Visited:
    """Say what the proof compares; what did not come is asked for again, it may have left the server meanwhile."""
    listed, status = work.folder.status, seen.status
    absent = [uid for uid in seen.uids if uid not in had and uid not in filtered]
    uids = seen.uids
    if absent:
        gone = set(absent).difference(await still_there(work.session, absent))
        uids = [uid for uid in uids if uid not in gone]
    # The older of the two answers: what arrived between LIST and EXAMINE makes the next run look again.
    basis = listed if listed is not None and listed.uidvalidity == status.uidvalidity else status
    return Visited(work.target, basis, uids, seen.hidden, filtered)
