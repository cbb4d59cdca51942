"""What archiving a folder works with, and when it gives something up because the connection breaks there."""

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

#: So many messages and folders of a job are given up because the connection breaks there; more are the server's fault.
MAX_BREAKS = 3

#: Stands for a message where the connection broke at the folder itself, before one was fetched.
_NO_UID = 0


@dataclass(frozen=True)
class FolderWork:
    """A folder on the server, what the archive knows of it, and the right to write.

    `is_new`: it was created in this slice, so the archive holds nothing of it.
    """

    job: LeasedJob
    profile: Profile
    session: MailSession
    folder: ServerFolder
    state: FolderState
    is_new: bool = False

    @property
    def lease(self) -> Lease:
        """What every write is guarded by."""
        return self.job.lease

    @property
    def target(self) -> Target:
        """Where its messages go."""
        return Target(self.state.id, self.state.uidvalidity, self.state.renumbered, self._distribution)

    @property
    def _distribution(self) -> Distribution | None:
        profile = self.profile
        if profile.kind is not ProfileKind.MULTIDROP:
            return None
        own = frozenset({profile.user.lower(), self.job.address.lower()})
        hint = owner_by_path(self.folder.path) if profile.server_kind.names_owners else Envelope()
        return Distribution(profile.multidrop, own, hint)


async def is_last_try(resources: Resources, work: FolderWork, uid: int, error: Transient) -> bool:
    """Note where the connection broke, and tell whether to give up that message or folder and go on without it."""
    if isinstance(error, ServerThrottled) or work.job.breaks >= MAX_BREAKS:
        return False
    async with resources.database.session() as session:
        times = await jobs.broke(session, work.lease, work.state.id, uid)
    return times >= resources.settings.job_attempts


async def give_up_folder_if_last(resources: Resources, work: FolderWork, error: Transient) -> None:
    """Refuse the folder for this run when the connection broke at it at every try: the others shall be archived.

    Raises GaveUp then.
    """
    if not await is_last_try(resources, work, _NO_UID, error):
        return
    async with resources.database.transaction() as session:
        await folders.refuse(session, work.lease, work.state.id, str(error))
        given_up = Progress(MessageCounts(0, 0, 0, 0), 0, {}, breaks=1)
        await jobs.progress(session, work.lease, given_up, resources.settings.lease_seconds)
    raise GaveUp(str(error)) from error
