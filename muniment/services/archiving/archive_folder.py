"""Archive one folder: fetch what the archive lacks, and gather what the proof needs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from muniment import log
from muniment.db import folders
from muniment.errors import Transient
from muniment.mailserver import ListsInParts
from muniment.model.folder import FolderStatus
from muniment.services.archiving.fetch_batches import fetch_batches
from muniment.services.archiving.folder_work import FolderWork, give_up_folder_if_last
from muniment.services.archiving.follow_flags import NOT_SEEN, FlagsLook, follow_flags
from muniment.services.archiving.prove_folders import Visited
from muniment.services.archiving.writer import Writer
from muniment.services.mailboxes.filter_new_messages import filter_new_messages
from muniment.services.mailboxes.slice_budget import SliceBudget
from muniment.services.mailboxes.still_there import still_there
from muniment.services.resources import Resources

_log = log.get(__name__)


async def archive_folder(resources: Resources, work: FolderWork, writer: Writer, slice_budget: SliceBudget) -> bool:
    """Hand the folder's new messages and then its proof to the writer.

    Returns False if the slice ended before the folder was done. The folder is opened with EXAMINE and read with
    BODY.PEEK[], so nothing changes on the server.
    """
    try:
        seen = await _look(work)
    except Transient as error:
        await give_up_folder_if_last(resources, work, error)
        raise
    if not seen.status.uidvalidity:
        # Without UIDVALIDITY, UIDs are valid for this connection only (RFC 9051 §2.3.1.1). The visit gets a numbering
        # of its own and is never cut into slices. Known messages are recognised by content.
        async with resources.database.session() as session:
            seen = replace(seen, status=replace(seen.status, uidvalidity=await folders.new_numbering(session)))
        slice_budget = SliceBudget()
    renumbered = await _renumber(resources, work, seen.status)
    flags = await _follow_flags(resources, renumbered, seen)
    if flags.unlisted:
        seen = replace(seen, uids=sorted(flags.unlisted.union(seen.uids)))
    new = await _find_new(resources, renumbered, seen.uids)
    if isinstance(work.session, ListsInParts):
        work.session.recognise(new.archived)
    renumbered = replace(renumbered, again=new.again)
    todo = await filter_new_messages(
        work.session, work.profile, work.job.run_started, new.todo, elsewhere=work.elsewhere
    )
    delivered = await _fetch(resources, renumbered, todo, writer, slice_budget)
    if delivered is None:
        return False
    filtered = frozenset(new.todo).difference(todo)
    await writer.prove(await _visited(renumbered, seen, new.archived | delivered, filtered, flags))
    return True


@dataclass(frozen=True)
class _Seen:
    """What the server shows of an open folder. `counted`: how many messages it counts."""

    status: FolderStatus
    uids: Sequence[int]
    counted: int

    @property
    def hidden(self) -> int:
        """How many messages the server counts but does not list."""
        return max(0, self.counted - len(self.uids))


async def _look(work: FolderWork) -> _Seen:
    status = await work.session.examine(work.folder)
    uids = await work.session.search_uids()
    # The smaller of the counts at opening and now: messages that arrived or left in between are not hidden.
    return _Seen(status, uids, min(status.messages or 0, work.session.exists))


async def _follow_flags(resources: Resources, work: FolderWork, seen: _Seen) -> FlagsLook:
    if work.profile.server.access.is_pop3:
        return NOT_SEEN
    try:
        return await follow_flags(resources, work, seen.status, seen.uids)
    except Transient as error:
        await give_up_folder_if_last(resources, work, error)
        raise


async def _renumber(resources: Resources, work: FolderWork, status: FolderStatus) -> FolderWork:
    """Adopt the server's UIDVALIDITY (RFC 9051 §2.3.1.1); a new one invalidates every known UID."""
    state = work.state
    if state.uidvalidity == status.uidvalidity:
        return work
    if state.uidvalidity:
        _log.warning("UIDVALIDITY changed", folder=state.id, was=state.uidvalidity, now=status.uidvalidity)
    # POP3 has numbers of its own, which nobody reuses, and its list does not tell that others have left.
    proves_absence = not isinstance(work.session, ListsInParts)
    async with resources.database.transaction() as session:
        await folders.renumber(session, work.lease, state.id, status.uidvalidity)
        if state.uidvalidity > 0 and proves_absence:
            await folders.park(session, [state.id])
        elif state.uidvalidity and proves_absence:
            await folders.leave_all(session, state.id)
    renumbered = state.renumbered or state.uidvalidity != 0
    anew = replace(state, uidvalidity=status.uidvalidity, last_uid=0, renumbered=renumbered, proven=None)
    return replace(work, state=replace(anew, flags_seen=None, flags_modseq=None))


@dataclass(frozen=True)
class _NewMessages:
    """UIDs to fetch, ascending, and UIDs that are archived; `again`: both, because substitutes are archived."""

    todo: list[int]
    archived: set[int]
    again: frozenset[int] = frozenset()


async def _find_new(resources: Resources, work: FolderWork, on_server: Sequence[int]) -> _NewMessages:
    """Return what to fetch: on the server, not archived, and not already quarantined by this run.

    This is a difference of sets and not just what lies above the cursor, so that a message below the cursor that a
    truncated SEARCH left out is found later.
    """
    if work.is_new:
        return _NewMessages(list(on_server), set())
    state = work.state
    async with resources.database.session() as session:
        [held] = await folders.held(session, [(state.id, state.uidvalidity)], work.job.run_started)
    archived = set(held.archived)
    again = frozenset(held.again).intersection(on_server)
    known = archived.union(held.quarantined, held.unowned).difference(again)
    return _NewMessages([uid for uid in on_server if uid not in known], archived, again)


async def _fetch(
    resources: Resources, work: FolderWork, todo: Sequence[int], writer: Writer, slice_budget: SliceBudget
) -> set[int] | None:
    """Fetch messages and hand them to the writer; return the UIDs delivered, or None if the slice ended first."""
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


async def _visited(work: FolderWork, seen: _Seen, had: set[int], filtered: frozenset[int], flags: FlagsLook) -> Visited:
    """Return what the proof compares; UIDs that were not delivered are searched again, they may be expunged by now."""
    listed, status = work.folder.status, seen.status
    absent = [uid for uid in seen.uids if uid not in had and uid not in filtered]
    uids = seen.uids
    if absent:
        gone = set(absent).difference(await still_there(work.session, absent))
        uids = [uid for uid in uids if uid not in gone]
    # The older of the two answers: a message that arrives between LIST and EXAMINE makes the next run visit again.
    basis = listed if listed is not None and listed.uidvalidity == status.uidvalidity else status
    if _contradict(basis, status):
        # So does a STATUS that stands still: it does not say what EXAMINE says.
        basis = replace(basis, uidnext=None)
    visited = Visited(work.target, basis, uids, seen.hidden, filtered, flags=flags)
    if not isinstance(work.session, ListsInParts):
        return visited
    return replace(visited, proves_absence=False, doubt=work.session.doubt(work.state.partial))


def _contradict(one: FolderStatus, other: FolderStatus) -> bool:
    """Return whether STATUS and EXAMINE report different numbers of messages, or of deliveries."""
    return any(
        a is not None and b is not None and a != b
        for a, b in ((one.uidnext, other.uidnext), (one.messages, other.messages))
    )
