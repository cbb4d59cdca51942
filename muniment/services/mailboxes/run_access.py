"""Access to the mailboxes of a run: what they share is loaded once for a batch of slices."""

from __future__ import annotations

import math

from msgspec.structs import replace

from muniment.clock import utc_now
from muniment.db import profiles, runs
from muniment.errors import NotFound
from muniment.model.login import Credentials
from muniment.model.profile import Profile
from muniment.model.run import LeasedJob
from muniment.services.mailboxes.check_mailbox import master_fingerprint
from muniment.services.mailboxes.credentials import Logins, open_logins
from muniment.services.resources import Resources


class RunAccess:
    """The profile of a run, its logins, and the fingerprint of the privileged user's own mailbox. Use one per batch."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._logins: Logins | None = None
        self._master: bytes | None = None
        self._any_time = False
        #: Whether `master_fingerprint` returns without another login.
        self.has_looked = False

    async def to(self, job: LeasedJob) -> tuple[Profile, Credentials]:
        """Return the profile and the login to the job's mailbox.

        Raises NotFound if the profile was removed or no longer names the mailbox, and Misconfigured if a password is
        missing or was sealed with another key or for another place.
        """
        logins = await self._load(job)
        if not (logins.profile.all_mailboxes or job.is_named):
            raise NotFound(f"profile {logins.profile.name} does not name mailbox {job.address} any more")
        login = logins.of_mailbox(job)
        return replace(logins.profile, server=login.server), login.credentials

    async def seconds_left(self, job: LeasedJob) -> float:
        """Return how long the schedule's window stays open, in seconds; 0 if none is open, inf if it never closes."""
        logins = await self._load(job)
        if self._any_time or not logins.profile.schedule.windows:
            return math.inf
        now = utc_now()
        closes = logins.profile.schedule.closes(now) if logins.profile.schedule.is_open(now) else now
        return math.inf if closes is None else (closes - now).total_seconds()

    async def master_fingerprint(self, job: LeasedJob) -> bytes | None:
        """Return the result of `check_mailbox.master_fingerprint`, looked up once."""
        if not self.has_looked:
            self._master = await master_fingerprint(self._resources, job, await self._load(job))
            self.has_looked = True
        return self._master

    async def _load(self, job: LeasedJob) -> Logins:
        if self._logins is None:
            if job.profile_id is None:
                raise NotFound("the profile was removed while its run was open")
            async with self._resources.database.session() as session:
                stored = await profiles.get(session, job.profile_id)
                self._any_time = await runs.is_any_time(session, job.run_id)
            self._logins = await open_logins(self._resources, stored)
        return self._logins
