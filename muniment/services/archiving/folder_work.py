"""The context for archiving one folder, and when to give up on a message or folder that breaks the connection."""

from __future__ import annotations

from dataclasses import dataclass

from muniment.db import folders, jobs
from muniment.db.jobs import Progress
from muniment.errors import GaveUp, ServerThrottled, Transient
from muniment.mail.envelope import Envelope, owner_by_path
from muniment.mailserver import MailSession
from muniment.model.folder import FolderState, ServerFolder
from muniment.model.profile import Profile, ProfileKind
from muniment.model.run import Lease, LeasedJob, MessageCounts
from muniment.services.archiving.batch import Distribution, Target
from muniment.services.resources import Resources

#: How many messages and folders of a job are given up at most; beyond that, the server is at fault.
MAX_BREAKS = 3

#: Recorded if the connection was lost before a message of the folder was fetched.
_NO_UID = 0


@dataclass(frozen=True)
class FolderWork:
    """A folder on the server, what the archive knows about it, and the lease to write.

    `is_new`: the folder was first seen in this slice, so the archive holds nothing of it. `is_due`: this run has to
    compare its UIDs and flags, whatever STATUS says. `elsewhere`: Gmail's labels whose messages other archived folders
    show. `again`: UIDs that are archived as substitutes, whose originals are asked for once more.
    """

    job: LeasedJob
    profile: Profile
    session: MailSession
    folder: ServerFolder
    state: FolderState
    is_new: bool = False
    elsewhere: frozenset[bytes] = frozenset()
    again: frozenset[int] = frozenset()
    is_due: bool = False

    @property
    def lease(self) -> Lease:
        """The lease that guards every write."""
        return self.job.lease

    @property
    def target(self) -> Target:
        """Where messages of the folder go."""
        return Target(self.state.id, self.state.uidvalidity, self.state.renumbered, self._distribution, self.again)

    @property
    def _distribution(self) -> Distribution | None:
        profile = self.profile
        if profile.kind is not ProfileKind.MULTIDROP:
            return None
        own = frozenset({profile.user.lower(), self.job.address.lower()})
        hint = owner_by_path(self.folder.path) if profile.server_kind.names_owners else Envelope()
        return Distribution(profile.multidrop, own, hint)


async def is_last_try(resources: Resources, work: FolderWork, uid: int, error: Transient) -> bool:
    """Record where the connection was lost; return whether to give up on that message or folder."""
    if isinstance(error, ServerThrottled) or work.job.breaks >= MAX_BREAKS:
        return False
    async with resources.database.session() as session:
        times = await jobs.broke(session, work.lease, work.state.id, uid)
    return times >= resources.settings.job_attempts


async def give_up_folder_if_last(resources: Resources, work: FolderWork, error: Transient) -> None:
    """After the last attempt, skip the folder for the rest of this run and raise GaveUp; the others are archived."""
    if not await is_last_try(resources, work, _NO_UID, error):
        return
    async with resources.database.transaction() as session:
        await folders.refuse(session, work.lease, work.state.id, str(error))
        given_up = Progress(MessageCounts(0, 0, 0, 0), 0, {}, breaks=1)
        await jobs.progress(session, work.lease, given_up, resources.settings.lease_seconds)
    raise GaveUp(str(error)) from error
