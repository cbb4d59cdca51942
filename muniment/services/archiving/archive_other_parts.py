"""Archive what a server shows in further sessions: a POP3 list may be a part of the mailbox."""

from __future__ import annotations

from dataclasses import dataclass

from muniment.db import deletions
from muniment.mailserver import ListsInParts
from muniment.model.folder import FolderState, ServerFolder
from muniment.services.archiving.archive_folder import archive_folder
from muniment.services.archiving.folder_work import FolderWork
from muniment.services.archiving.writer import Writer
from muniment.services.mailboxes.open_mailbox import OpenMailbox, folder_states
from muniment.services.mailboxes.slice_budget import SliceBudget
from muniment.services.resources import Resources


@dataclass(frozen=True)
class OtherParts:
    """What further sessions showed. `more`: the slice ended first; `lacks`: some of it is not archived.

    `doubt`: why the server may show only a part; empty if nothing suggests that.
    """

    more: bool = False
    lacks: bool = False
    doubt: str = ""

    @property
    def warning(self) -> str:
        """The warning for the run, empty without a doubt."""
        if not self.doubt:
            return ""
        return (
            f"the server shows only a part of the mailbox in each session, or may do so ({self.doubt}): what it showed "
            "is archived, but it cannot be proven that nothing is missing, and nothing is deleted there; use IMAP if "
            "it is offered"
        )


async def archive_other_parts(resources: Resources, opened: OpenMailbox, slice_budget: SliceBudget) -> OtherParts:
    """Go on with further sessions until they list nothing new, and archive what they list.

    Call it when everything fetched so far is stored: the end of a session may hide it on the server.
    """
    session = opened.session
    assert isinstance(session, ListsInParts)
    [folder] = opened.folders
    # The last slice's verdict: a proof of this one counts as a part until the next session has confirmed it.
    before = opened.states[folder.wire_name].partial if folder.wire_name in opened.states else ""
    lacks = False
    quiet = 0 if session.fetched else 1
    archived = await confirm_stored(resources, opened)
    while True:
        goes_on = quiet < session.enough(before)
        if goes_on and slice_budget.is_over:
            return OtherParts(more=True)
        if goes_on:
            await session.list_again()
        elif not await session.advance(archived, before):
            return OtherParts(lacks=lacks, doubt=session.doubt(before))
        folder, state = await _folder(resources, opened)
        async with Writer(resources, opened.job.lease) as writer:
            work = FolderWork(opened.job, opened.profile, opened.session, folder, state)
            is_done = await archive_folder(resources, work, writer, slice_budget)
        archived = await confirm_stored(resources, opened)
        if not is_done:
            return OtherParts(more=True)
        lacks = bool(writer.incomplete)
        quiet = 0 if session.fetched else quiet + 1


async def _folder(resources: Resources, opened: OpenMailbox) -> tuple[ServerFolder, FolderState]:
    """Return the only folder, as the session shows it now and as the archive knows it."""
    [folder] = await opened.session.list_folders()
    return folder, (await folder_states(resources, opened.job))[folder.wire_name]


async def confirm_stored(resources: Resources, opened: OpenMailbox) -> set[int]:
    """Tell the session which of its messages are archived, so that QUIT loses nothing; return their UIDs."""
    session = opened.session
    assert isinstance(session, ListsInParts)
    _, state = await _folder(resources, opened)
    uids = sorted(session.fetched.union(await opened.session.search_uids()))
    async with resources.database.session() as db:
        archived = await deletions.archived(db, state.id, state.uidvalidity, uids)
    session.settle(archived)
    return archived
