"""Opening a mailbox: log in, list its folders, and compare them with what the archive knows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
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

#: A mailbox of so many messages is known by the numbers of its folders: nobody else's have exactly the same. Those of two
#: small ones, made by one script in one second, may.
TELLING_DELIVERIES = 100

#: What the archive knows of each folder, by wire name.
States = dict[bytes, FolderState]


@dataclass(frozen=True)
class OpenMailbox:
    """A mailbox on the server beside what the archive knows of it.

    `listed`: every folder of the server; `folders`: those of them that the profile archives. `source`: whose UIDs the
    server shows; `unmoved`: ids of the folders that stand as they were proven before.
    """

    job: LeasedJob
    profile: Profile
    session: MailSession
    listed: list[ServerFolder]
    folders: list[ServerFolder]
    states: States
    source: str
    unmoved: frozenset[int]

    @property
    def is_as_before(self) -> bool:
        """Whether nothing moved in a mailbox that its numbers tell from all others: then it is the one of the last time."""
        statuses = [folder.status for folder in self.folders]
        return len(self.unmoved) == len(self.folders) and _is_told_by_numbers(self.job, statuses)


async def open_mailbox(resources: Resources, job: LeasedJob, access: RunAccess) -> OpenMailbox:
    """Log in and list the folders; where they are not as before, the privileged user's own mailbox was looked at first.

    That look is a login of its own, and both at once would be more than the profile's maximum of simultaneous jobs
    allows. A mailbox that may well be as before will hardly need it.
    """
    states = await folder_states(resources, job)
    if not _is_told_by_numbers(job, [state.status for state in states.values()]):
        await access.master_fingerprint(job)
    opened = await _log_in(resources, job, access, states)
    if opened.is_as_before or access.has_looked:
        return opened
    await opened.session.logout()
    await access.master_fingerprint(job)
    return await _log_in(resources, job, access, states)


def _is_told_by_numbers(job: LeasedJob, statuses: Sequence[FolderStatus | None]) -> bool:
    """Whether these numbers of a mailbox's folders are those of no other one."""
    known = [status for status in statuses if status is not None]
    deliveries = sum((status.uidnext or 1) - 1 for status in known)  # each took one UID
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
    archived = [one.folder for one in effective if one.is_archived]
    source = _source(job, profile, credentials)
    unmoved = _unmoved(archived, states) if source == job.source else frozenset()
    return OpenMailbox(job, profile, session, listed, archived, states, source, unmoved)


async def folder_states(resources: Resources, job: LeasedJob) -> States:
    """Return what the archive knows of the mailbox's folders."""
    async with resources.database.session() as session:
        return {state.wire_name: state for state in await folders.of_mailbox(session, job.mailbox_id, job.run_started)}


def _source(job: LeasedJob, profile: Profile, credentials: Credentials) -> str:
    """Name the account that the UIDs belong to."""
    account = job.address if profile.is_privileged else credentials.user
    return f"{account} at {profile.server.name}"


def _unmoved(listed: list[ServerFolder], states: States) -> frozenset[int]:
    """Return the ids of the folders that need no visit."""
    known = ((folder.status, states.get(folder.wire_name)) for folder in listed)
    return frozenset(state.id for status, state in known if state is not None and is_unmoved(status, state))


def is_unmoved(now: FolderStatus | None, state: FolderState) -> bool:
    """Tell whether a folder needs no visit: complete at the last proof, and every number the same since."""
    if now is None or now.uidnext is None or now.messages is None or state.quarantined:
        return False
    return state.complete and state.status == now
