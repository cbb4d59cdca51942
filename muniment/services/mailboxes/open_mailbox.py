"""Open a mailbox: log in, list its folders, and compare them with what the archive knows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from muniment.db import folders
from muniment.errors import ProtocolViolation
from muniment.mailserver import MailSession
from muniment.metrics import Stage, timed
from muniment.model.folder import FolderState, FolderStatus, ServerFolder
from muniment.model.login import Credentials
from muniment.model.profile import Profile
from muniment.model.run import LeasedJob
from muniment.services.mailboxes.effective_folders import effective_folders
from muniment.services.mailboxes.open_session import open_session
from muniment.services.mailboxes.run_access import RunAccess
from muniment.services.resources import Resources

#: From this many delivered messages on, the folders' numbers identify a mailbox. Two small mailboxes that one script
#: created in the same second may have the same numbers.
TELLING_DELIVERIES = 100

#: What the archive knows about each folder, by wire name.
States = dict[bytes, FolderState]


@dataclass(frozen=True)
class OpenMailbox:
    """A mailbox on the server, and what the archive knows about it.

    `listed`: every folder on the server. `folders`: those that the profile archives. `source`: the account that the
    UIDs belong to. `due`: ids of the folders whose UIDs and flags have to be compared in this run, whatever STATUS
    says. `unmoved`: ids of the other folders whose STATUS is that of their last proof; they are not opened.
    """

    job: LeasedJob
    profile: Profile
    session: MailSession
    listed: list[ServerFolder]
    folders: list[ServerFolder]
    states: States
    source: str
    due: frozenset[int]
    unmoved: frozenset[int]

    @property
    def is_as_before(self) -> bool:
        """Whether no folder changed in a mailbox that its numbers identify: it is the same mailbox as last time.

        Not if a folder is due: numbers that are not believed to say what is in it do not identify it either.
        """
        statuses = [folder.status for folder in self.folders]
        return len(self.unmoved) == len(self.folders) and _is_told_by_numbers(self.job, statuses)


async def open_mailbox(resources: Resources, job: LeasedJob, access: RunAccess) -> OpenMailbox:
    """Log in and list the folders, after the privileged user's own mailbox was looked up if the check will need it.

    The lookup is a separate login. Both connections at once would exceed the profile's maximum of simultaneous jobs, so
    it comes first. A mailbox that its numbers identify is probably unchanged; only if it is not, this logs out, looks
    up, and logs in again.
    """
    states = await folder_states(resources, job)
    present = [state for state in states.values() if not state.vanished]
    if _due(resources, job, present) or not _is_told_by_numbers(job, [state.status for state in states.values()]):
        await access.master_fingerprint(job)
    opened = await _log_in(resources, job, access, states)
    if opened.is_as_before or access.has_looked:
        return opened
    await opened.session.logout()
    await access.master_fingerprint(job)
    return await _log_in(resources, job, access, states)


def _is_told_by_numbers(job: LeasedJob, statuses: Sequence[FolderStatus | None]) -> bool:
    """Return whether the numbers of these folders identify the mailbox."""
    known = [status for status in statuses if status is not None]
    deliveries = sum((status.uidnext or 1) - 1 for status in known)  # each delivery took one UID
    is_filled = any(status.messages for status in known)
    return job.fingerprint is not None and deliveries >= TELLING_DELIVERIES and is_filled


async def _log_in(resources: Resources, job: LeasedJob, access: RunAccess, states: States) -> OpenMailbox:
    profile, credentials = await access.to(job)
    with timed(Stage.OPEN):
        session = await open_session(resources, profile.server, credentials, job.mailbox_id, to_archive=True)
        try:
            listed = await session.list_folders()
            if not listed:
                raise ProtocolViolation("the server lists no folder, not even INBOX (RFC 9051 §5.1)")
            effective = await asyncio.to_thread(effective_folders, listed, profile.folders, profile.server_kind)
        except BaseException:
            session.abort()
            raise
    archived = [decision.folder for decision in effective if decision.is_archived]
    source = _source(job, profile, credentials)
    due = _due(resources, job, (states[folder.wire_name] for folder in archived if folder.wire_name in states))
    # A POP3 session lists the whole mailbox: comparing it costs no command.
    trusts_status = source == job.source and not profile.server.access.is_pop3
    unmoved = _unmoved(archived, states) - due if trusts_status else frozenset()
    return OpenMailbox(job, profile, session, listed, archived, states, source, due, unmoved)


async def folder_states(resources: Resources, job: LeasedJob) -> States:
    """Return what the archive knows about the mailbox's folders."""
    async with resources.database.session() as session:
        return {state.wire_name: state for state in await folders.of_mailbox(session, job.mailbox_id, job.run_started)}


def _source(job: LeasedJob, profile: Profile, credentials: Credentials) -> str:
    """Return the name of the account that the UIDs belong to."""
    account = job.address if profile.is_privileged else credentials.user
    return f"{account} at {profile.server.name}"


def _due(resources: Resources, job: LeasedJob, states: Iterable[FolderState]) -> frozenset[int]:
    """Return the ids of the folders that this run still has to compare; new folders are not among them."""
    interval, began = resources.comparison, job.run_started
    waiting = (state for state in states if state.proven is not None and state.proven_run != job.run_id)
    return frozenset(state.id for state in waiting if interval.is_due(state, began))


def _unmoved(listed: list[ServerFolder], states: States) -> frozenset[int]:
    """Return the ids of the folders whose STATUS asks for no visit."""
    known = ((folder.status, states.get(folder.wire_name)) for folder in listed)
    return frozenset(state.id for status, state in known if state is not None and is_unmoved(status, state))


def is_unmoved(now: FolderStatus | None, state: FolderState) -> bool:
    """Return whether STATUS asks for no visit of a folder: complete at its last proof, and the same STATUS since."""
    if now is None or now.uidnext is None or now.messages is None or state.quarantined:
        return False
    return state.complete and state.status == now
