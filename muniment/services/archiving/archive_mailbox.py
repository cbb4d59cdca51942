"""Archive one mailbox for the duration of a slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from muniment import log
from muniment.db import folders
from muniment.errors import CommandRefused
from muniment.mailserver import ListsInParts
from muniment.model.folder import FolderState, ServerFolder
from muniment.model.run import LeasedJob
from muniment.services.archiving.archive_folder import archive_folder
from muniment.services.archiving.archive_other_parts import archive_other_parts, confirm_stored
from muniment.services.archiving.folder_work import FolderWork
from muniment.services.archiving.writer import Writer
from muniment.services.deleting.delete_archived import delete_archived
from muniment.services.mailboxes.check_mailbox import EMPTY_MAILBOX, Check, check_mailbox
from muniment.services.mailboxes.gmail import labels_elsewhere
from muniment.services.mailboxes.open_mailbox import OpenMailbox, States, folder_states, open_mailbox
from muniment.services.mailboxes.run_access import RunAccess
from muniment.services.mailboxes.slice_budget import SliceBudget
from muniment.services.resources import Resources

_log = log.get(__name__)

#: How many incomplete folders a warning names.
_NAMED = 3


@dataclass(frozen=True)
class RefusedFolder:
    """A folder that the server refused to open, and the reason."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


@dataclass(frozen=True)
class Outcome:
    """What a slice achieved.

    `more`: the slice ended before the mailbox did. `complete`: every folder is complete, by its last comparison.
    `unmoved`: ids of the folders that were not opened, because STATUS is that of their last comparison. `fingerprint`:
    of the mailbox, if it was needed. `unreadable`: folders that the server refused to open, with the reasons, out of
    `folders` in all. `folder_ids`: of those that the profile archives. `commands`: how many were sent. `stretch`: of
    the largest folder (`ComparisonInterval`).
    """

    more: bool
    complete: bool
    unmoved: Sequence[int] = ()
    fingerprint: bytes | None = None
    warnings: Sequence[str] = ()
    unreadable: Sequence[RefusedFolder] = ()
    folders: int = 0
    folder_ids: Sequence[int] = ()
    commands: int = 0
    stretch: int = 1


async def archive_mailbox(resources: Resources, job: LeasedJob, access: RunAccess) -> Outcome:
    """Log in, check the mailbox, archive the folders that changed, and then apply the profile's deletion rule.

    Stops when the slice ends. Raises what a session raises, WrongMailbox, LeaseLost and DatabaseUnavailable; whatever
    was committed before stays.
    """
    seconds = await access.seconds_left(job)
    if seconds <= 0:
        return Outcome(more=True, complete=False)  # the schedule's window closed after the job was sent
    opened = await open_mailbox(resources, job, access)
    session, states = opened.session, opened.states
    try:
        check = await _check(resources, opened, access)
        if opened.source != job.source:
            await _adopt_source(resources, job, opened.source)
            states = await folder_states(resources, job)
        states = await _ensure_folders(resources, opened, states)
        await _note_vanished(resources, opened, states)
        slice_budget = SliceBudget(min(resources.settings.slice_seconds, seconds), resources.settings.slice_bytes)
        async with Writer(resources, job.lease) as writer:
            outcome = await _archive_folders(resources, opened, states, writer, slice_budget)
        outcome = await _archive_other_parts(resources, opened, outcome, slice_budget)
        # An empty mailbox may have been created by this very login, so nothing about it counts as proven.
        doubtful = EMPTY_MAILBOX in check.warnings and opened.profile.is_privileged
        if opened.profile.deletion and not outcome.more and not doubtful:
            deletion = await delete_archived(resources, opened, slice_budget)
            warnings = [*outcome.warnings, *deletion.warnings]
            # Where a list is limited, a deletion makes room for others.
            more = deletion.more or (isinstance(session, ListsInParts) and session.shows_more)
            outcome = replace(outcome, more=more, warnings=warnings)
        await session.logout()
    finally:
        session.abort()
    complete = outcome.complete and not doubtful
    return replace(
        outcome,
        complete=complete,
        fingerprint=check.fingerprint,
        warnings=[*(f"the mail server says: {text}" for text in session.alerts), *check.warnings, *outcome.warnings],
        folders=len(opened.folders),
        folder_ids=[states[folder.wire_name].id for folder in opened.folders],
        commands=session.commands,
        stretch=_stretch(resources, opened),
    )


async def _check(resources: Resources, opened: OpenMailbox, access: RunAccess) -> Check:
    if opened.is_as_before:
        return Check([], opened.job.fingerprint)
    master = await access.master_fingerprint(opened.job)
    allow_same = opened.profile.allow_same_mailbox
    check = await check_mailbox(resources, opened.job, opened.session, opened.listed, master, allow_same=allow_same)
    if opened.profile.is_privileged or not any(state.last_uid or state.renumbered for state in opened.states.values()):
        return check
    # A mailbox that opened with its own password and whose mail is archived is no mistyped address.
    return replace(check, warnings=[warning for warning in check.warnings if warning != EMPTY_MAILBOX])


async def _adopt_source(resources: Resources, job: LeasedJob, source: str) -> None:
    """Start new numberings if the mailbox moved to another server or account, where its UIDs mean other messages.

    Messages that are archived already are then recognised by content.
    """
    async with resources.database.transaction() as session:
        if await folders.adopt_source(session, job.lease, job.mailbox_id, source):
            _log.warning("mailbox moved to another server or account", source=source)


async def _ensure_folders(resources: Resources, opened: OpenMailbox, states: States) -> States:
    """Create folders that are new; call this only after the right-mailbox check."""
    scope = opened.profile.folders
    unknown = (folder for folder in opened.folders if folder.wire_name not in states)
    new = [replace(folder, path=scope.filed(folder.path)) for folder in unknown]
    if not new:
        return states
    async with resources.database.session() as session:
        await folders.ensure(session, opened.job.mailbox_id, new)
    return await folder_states(resources, opened.job)


async def _note_vanished(resources: Resources, opened: OpenMailbox, states: States) -> None:
    """Mark the folders that the server no longer lists: their messages may turn up in other folders.

    POP3 lists no folders, so it says nothing about those that were archived over IMAP.
    """
    if isinstance(opened.session, ListsInParts):
        return
    listed = {folder.wire_name for folder in opened.listed}
    lost = [state.id for name, state in states.items() if name not in listed and not state.vanished]
    if lost:
        async with resources.database.session() as session:
            await folders.vanish(session, opened.job.lease, lost)


async def _archive_folders(
    resources: Resources, opened: OpenMailbox, states: States, writer: Writer, slice_budget: SliceBudget
) -> Outcome:
    """Visit the folders whose STATUS changed (RFC 9051 §6.3.11) or that are due, and skip the others."""
    job, session, listed = opened.job, opened.session, opened.folders
    if not listed:
        return Outcome(more=False, complete=True, warnings=[_nothing_archived(opened)])
    # A folder that an earlier slice of this run proved is done, even if it changed since or the server reports no
    # STATUS: the next run visits it again. This way every slice gets further than the one before.
    # A POP3 session shows a single folder, and may show another part of it.
    lists_in_parts = isinstance(session, ListsInParts)
    proven = {state.id for state in states.values() if state.proven_run == job.run_id and not lists_in_parts}
    done = proven.union(opened.unmoved)
    incomplete = {states[f.wire_name].id for f in listed if not states[f.wire_name].complete}.intersection(done)
    unreadable = [_unreadable(f, states[f.wire_name].refusal) for f in listed if states[f.wire_name].refusal]
    done.update(state.id for state in states.values() if state.refusal)
    visited = 0
    for folder in listed:
        state = states[folder.wire_name]
        if state.id in done:
            continue
        if visited and slice_budget.is_over:
            return Outcome(more=True, complete=False)
        visited += 1
        try:
            is_done = await archive_folder(resources, _work(opened, folder, state), writer, slice_budget)
        except CommandRefused as error:
            # A folder that cannot be read does not stop the others, and is not tried again in this run.
            async with resources.database.session() as db:
                await folders.refuse(db, job.lease, state.id, str(error))
            unreadable.append(_unreadable(folder, str(error)))
            continue
        if not is_done:
            return Outcome(more=True, complete=False)
    await writer.flush()
    incomplete |= writer.incomplete
    lacking = ["/".join(folder.path) for folder in listed if states[folder.wire_name].id in incomplete]
    return Outcome(
        more=False,
        complete=not incomplete and not unreadable,
        unmoved=sorted(opened.unmoved),
        warnings=[_lacking(lacking, len(listed))] if lacking else [],
        unreadable=unreadable,
    )


def _work(opened: OpenMailbox, folder: ServerFolder, state: FolderState) -> FolderWork:
    return FolderWork(
        opened.job,
        opened.profile,
        opened.session,
        folder,
        state,
        is_new=folder.wire_name not in opened.states,
        is_due=state.id in opened.due,
        elsewhere=labels_elsewhere(folder, opened.folders, opened.session.capabilities),
    )


async def _archive_other_parts(
    resources: Resources, opened: OpenMailbox, outcome: Outcome, slice_budget: SliceBudget
) -> Outcome:
    """Archive what a POP3 server shows in its next sessions."""
    if not isinstance(opened.session, ListsInParts) or not opened.folders or outcome.unreadable:
        return outcome
    if outcome.more:
        await confirm_stored(resources, opened)
        return outcome
    parts = await archive_other_parts(resources, opened, slice_budget)
    if parts.more:
        return replace(outcome, more=True, complete=False)
    lacking = [_lacking(["INBOX"], 1)] if parts.lacks and outcome.complete else []
    warnings = [*outcome.warnings, *lacking, *filter(None, [parts.warning])]
    return replace(outcome, complete=outcome.complete and not parts.lacks and not parts.doubt, warnings=warnings)


def _stretch(resources: Resources, opened: OpenMailbox) -> int:
    counts = [folder.status.messages for folder in opened.folders if folder.status is not None]
    return max((resources.comparison.stretch(count) for count in counts), default=1)


def _nothing_archived(opened: OpenMailbox) -> str:
    return (
        f"none of its {len(opened.listed)} folders is archived: "
        f"`muniment profile folders {opened.profile.name} --mailbox {opened.job.address}` says why"
    )


def _lacking(paths: Sequence[str], folders_in_all: int) -> str:
    named = ", ".join(paths[:_NAMED]) + (", …" if len(paths) > _NAMED else "")
    return (
        f"{len(paths)} of {folders_in_all} folders lack messages ({named}): they are in quarantine, or the "
        "server counts them and does not list them; the next run tries again"
    )


def _unreadable(folder: ServerFolder, reason: str) -> RefusedFolder:
    return RefusedFolder("/".join(folder.path), reason)
