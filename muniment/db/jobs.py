"""Jobs: leases with fencing, hand-over, recovery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from muniment.db.database import Session
from muniment.db.sql import load
from muniment.errors import Conflict, LeaseLost, MailboxBusy
from muniment.model.login import OwnLogin
from muniment.model.run import JobState, Lease, LeasedJob, MessageCounts, RunState

_SQL = load("jobs")


@dataclass(frozen=True)
class OtherMailbox:
    """Another mailbox of the run, and the fingerprint of the mailbox that the server opened for it."""

    address: str
    fingerprint: bytes


@dataclass(frozen=True)
class _Leased:
    """A job with its mailbox and run; all fields are None if there is no job."""

    job_id: int | None
    fence: int
    run_id: int
    run_started: datetime
    profile_id: int | None
    mailbox_id: int
    address: str
    user_name: str
    source: str | None
    fingerprint: bytes | None
    is_named: bool
    login_user: str | None
    password: bytes | None
    own_server: str
    attempt: int
    broke_folder: int | None
    breaks: int

    def job(self) -> LeasedJob | None:
        if self.job_id is None:
            return None
        own = None if self.login_user is None else OwnLogin(self.login_user, self.password or b"", self.own_server)
        return LeasedJob(
            lease=Lease(self.job_id, self.fence),
            run_id=self.run_id,
            run_started=self.run_started,
            profile_id=self.profile_id,
            mailbox_id=self.mailbox_id,
            address=self.address,
            user_name=self.user_name,
            source=self.source,
            fingerprint=self.fingerprint,
            is_named=self.is_named,
            own_login=own,
            attempt=self.attempt,
            broke_folder=self.broke_folder,
            breaks=self.breaks,
        )


@dataclass(frozen=True)
class Progress:
    """What one commit stores: messages, `size` bytes of originals, and new cursors by folder id (0: unchanged).

    `breaks`: number of these messages that were given up because the connection broke on every attempt. `odd_sizes`:
    number of those of another size than announced.
    """

    counts: MessageCounts
    size: int
    cursors: Mapping[int, int]
    breaks: int = 0
    odd_sizes: int = 0


async def in_flight(session: Session, run_id: int) -> int:
    """Return how many jobs of the run are sent or running."""
    count: int = await session.value(_SQL["in_flight"], run_id)
    return count


async def send_waiting(session: Session, run_id: int, limit: int, seconds: float) -> list[int]:
    """Mark up to `limit` due jobs as sent, valid for `seconds`, and return their ids; publish them after the commit."""
    return await session.values(_SQL["send_waiting"], run_id, limit, seconds)


async def lease(session: Session, job_id: int, worker: str, seconds: float) -> LeasedJob | None:
    """Lease a sent job; None if it is not available, MailboxBusy if another run is archiving the mailbox.

    MailboxBusy covers the whole job of the other run, not only its current slice. If two runs reached the same mailbox
    under two names of one server and alternated slice by slice, each could undo the other's UIDVALIDITY.
    """
    try:
        row = await session.row(_Leased, _SQL["lease"], job_id, worker, seconds)
    except Conflict as error:
        raise MailboxBusy from error
    if row is None:
        if await session.value(_SQL["is_taken"], job_id):
            raise MailboxBusy
        return None
    return row.job()


async def extend(session: Session, lease: Lease, seconds: float) -> RunState:
    """Extend the lease by `seconds` and return the run's state; LeaseLost if the lease is lost."""
    return RunState(_own(await session.value(_SQL["extend"], lease.job_id, lease.fence, seconds)))


async def progress(session: Session, lease: Lease, progress: Progress, seconds: float) -> RunState:
    """Check the lease for a commit, count what the commit stores, and move the cursors; LeaseLost if the lease is lost.

    Extends the lease by `seconds`. Returns the run's state, so that a cancelled run ends with this commit.
    """
    counts = progress.counts
    numbers = (counts.seen, counts.archived, counts.known, counts.quarantined, progress.size)
    cursors = (list(progress.cursors), list(progress.cursors.values()))
    others = (progress.breaks, counts.filtered, progress.odd_sizes)
    values = (*numbers, seconds, *cursors, *others)
    return RunState(_own(await session.value(_SQL["progress"], lease.job_id, lease.fence, *values)))


async def broke(session: Session, lease: Lease, folder_id: int, uid: int) -> int:
    """Record that the connection broke at a message (0: at its folder); return how often in a row it broke there."""
    return int(_own(await session.value(_SQL["broke"], lease.job_id, lease.fence, folder_id, uid)))


async def yield_slice(session: Session, lease: Lease) -> None:
    """Return the job to the queue because there is more to do."""
    _own(await session.value(_SQL["yield_slice"], lease.job_id, lease.fence))


async def step_back(session: Session, lease: Lease, seconds: float, reason: str, hint: str) -> None:
    """Return the job to the queue for `seconds`, with the reason for waiting; does not count as a failure."""
    _own(await session.value(_SQL["step_back"], lease.job_id, lease.fence, seconds, reason, hint))


@dataclass(frozen=True)
class Completion:
    """The result of a successful job. `unmoved`: ids of folders that were not opened: their STATUS did not change.

    `folders`: ids of all folders that the profile archives. `proven`: every folder of the mailbox is complete, by its
    last comparison. `fingerprint`: identifies the mailbox that the server opened; None if not determined. `stretch`: of
    its largest folder (`ComparisonInterval`).
    """

    warnings: Sequence[str]
    proven: bool
    unmoved: Sequence[int]
    fingerprint: bytes | None
    folders: Sequence[int] = ()
    stretch: int = 1


async def complete(
    session: Session, lease: Lease, completion: Completion, *, next_for: str | None, seconds: float
) -> LeasedJob | None:
    """Complete the job, and lease the run's next one to the worker `next_for` (None: do not) for `seconds`.

    Both happen atomically. Returns None if no other job is waiting or may start now. Raises LeaseLost if the lease is
    lost, and Conflict, without any change, if another run starts with the next mailbox at the same time.
    """
    done = completion
    proof = (list(done.warnings), done.proven, list(done.unmoved), done.fingerprint)
    following = (next_for, seconds, list(done.folders), done.stretch)
    row = await session.row(_Leased, _SQL["complete"], lease.job_id, lease.fence, *proof, *following)
    if row is None:
        raise LeaseLost
    return row.job()


@dataclass(frozen=True)
class Setback:
    """Why a slice failed and when to retry; the job fails when the weights of consecutive setbacks reach `limit`."""

    error: str
    hint: str
    seconds: float
    weight: int
    limit: int


async def postpone(session: Session, lease: Lease, setback: Setback) -> JobState:
    """Schedule a retry of the job, or fail it at the limit; return the new state."""
    last = (setback.weight, setback.seconds, setback.error, setback.hint, setback.limit)
    return JobState(_own(await session.value(_SQL["postpone"], lease.job_id, lease.fence, *last)))


async def fail(session: Session, lease: Lease, *, error: str, hint: str) -> None:
    """End the job as failed."""
    _own(await session.value(_SQL["fail"], lease.job_id, lease.fence, error, hint))


async def stop_cancelled(session: Session, lease: Lease) -> None:
    """End the job because its run was cancelled."""
    _own(await session.value(_SQL["stop_cancelled"], lease.job_id, lease.fence))


async def delay_busy(session: Session, job_id: int, seconds: float) -> None:
    """Delay a sent job because its mailbox is busy."""
    await session.execute(_SQL["delay_busy"], job_id, seconds)


async def count_sent(session: Session, run_ids: Sequence[int]) -> int:
    """Return how many jobs of these runs are expected to be in the broker."""
    count: int = await session.value(_SQL["count_sent"], list(run_ids))
    return count


async def resend_lost(session: Session, run_ids: Sequence[int]) -> int:
    """Return sent jobs whose time has expired to the waiting state; return their number."""
    return len(await session.values(_SQL["resend_lost"], list(run_ids)))


async def prolong_sent(session: Session, run_ids: Sequence[int], seconds: float) -> None:
    """Extend the time of sent jobs whose time has expired."""
    await session.execute(_SQL["prolong_sent"], list(run_ids), seconds)


async def end_stuck(session: Session, run_ids: Sequence[int]) -> int:
    """Terminate transactions that workers began before their last lease expired; return their number."""
    count: int = await session.value(_SQL["end_stuck"], list(run_ids))
    return count


async def release_silent(session: Session, run_ids: Sequence[int], losses: int) -> int:
    """Take running jobs from silent workers; the `losses`th time without progress, a job fails. Return their number."""
    return len(await session.values(_SQL["release_silent"], list(run_ids), losses))


async def set_fingerprint(session: Session, lease: Lease, fingerprint: bytes) -> None:
    """Record which mailbox the server opened for this job."""
    _own(await session.value(_SQL["set_fingerprint"], lease.job_id, lease.fence, fingerprint))


async def similar_fingerprints(session: Session, run_id: int, fingerprint: bytes, job_id: int) -> list[OtherMailbox]:
    """Return the run's other mailboxes whose fingerprints have the same beginning."""
    return await session.rows(OtherMailbox, _SQL["similar_fingerprints"], run_id, fingerprint, job_id)


def _own(answer: str | int | None) -> str:
    if answer is None:
        raise LeaseLost
    return str(answer)
