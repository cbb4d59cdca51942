"""Runs: starting, counting, cancelling and finishing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from muniment.db.database import Session, is_id
from muniment.db.sql import load
from muniment.errors import NotFound
from muniment.model.profile import Profile
from muniment.model.run import (
    Failure,
    HeldCounts,
    JobState,
    MailboxCounts,
    MailboxResult,
    MessageCounts,
    Notice,
    Run,
    RunState,
)
from muniment.model.schedule import Schedule

_SQL = load("runs")


@dataclass(frozen=True)
class Gate:
    """What the pump needs to know about a run."""

    state: RunState
    max_jobs: int
    schedule: Schedule
    any_time: bool
    paused_until: datetime | None
    now: datetime

    @property
    def opens(self) -> datetime | None:
        """When the run may continue; None: now."""
        return None if self.any_time or self.schedule.is_open(self.now) else self.schedule.opens(self.now)


@dataclass(frozen=True)
class _GateRow:
    state: str
    max_jobs: int
    any_time: bool
    paused_until: datetime | None
    schedule: dict[str, object]
    now: datetime

    def gate(self) -> Gate:
        schedule = msgspec.convert(self.schedule, Schedule)
        return Gate(RunState(self.state), self.max_jobs, schedule, self.any_time, self.paused_until, self.now)


@dataclass(frozen=True)
class MasterLook:
    """What the privileged user's own mailbox showed: its `fingerprint` (empty: no mailbox), or an error."""

    fingerprint: bytes | None
    failure: str
    throttled: bool


@dataclass(frozen=True)
class Pace:
    """The number of messages and bytes archived in a number of seconds."""

    messages: int
    bytes: int
    seconds: float


@dataclass(frozen=True)
class _Row:
    id: int
    profile: str
    state: str
    started: datetime
    finished: datetime | None
    warnings: list[str]
    scheduled: bool
    paused_until: datetime | None
    total: int
    done: int
    failed: int
    running: int
    queued: int
    cancelled: int
    seen: int
    archived: int
    known: int
    quarantined: int
    filtered: int
    deleted: int
    bytes: int
    on_server: int | None
    missing: int
    accepted: int
    left_out: int

    def run(self) -> Run:
        return Run(
            id=self.id,
            profile=self.profile,
            state=RunState(self.state),
            started=self.started,
            finished=self.finished,
            mailboxes=MailboxCounts(self.total, self.done, self.failed, self.running, self.queued, self.cancelled),
            messages=_counts(self),
            bytes=self.bytes,
            warnings=self.warnings,
            scheduled=self.scheduled,
            paused_until=self.paused_until,
        )


@dataclass(frozen=True)
class _ResultRow:
    mailbox: str
    state: str
    seen: int
    archived: int
    known: int
    quarantined: int
    filtered: int
    deleted: int
    bytes: int
    on_server: int | None
    missing: int
    accepted: int
    left_out: int
    odd_sizes: int
    substitutes: int

    def result(self) -> MailboxResult:
        state, counts = JobState(self.state), _counts(self)
        return MailboxResult(self.mailbox, state, counts, self.bytes, self.odd_sizes, self.substitutes)


@dataclass(frozen=True)
class _NoticeRow:
    mailbox: str
    warnings: list[str]
    error: str
    odd_sizes: int
    substitutes: int

    def notice(self) -> Notice:
        warnings = list(self.warnings)
        if self.substitutes:
            warnings.append(
                f"the server delivered something else in place of {self.substitutes} of its messages: "
                "`muniment quarantine list` names them"
            )
        if self.odd_sizes:
            messages = "1 new message has" if self.odd_sizes == 1 else f"{self.odd_sizes} new messages have"
            warnings.append(
                f"{messages} another size than the server announced: archived as delivered, and kept on the server "
                "by deletion rules"
            )
        return Notice(self.mailbox, warnings, self.error)


def _counts(row: _Row | _ResultRow) -> MessageCounts:
    held = None
    if row.on_server is not None:
        held = HeldCounts(row.on_server, row.missing, row.accepted, row.left_out)
    return MessageCounts(row.seen, row.archived, row.known, row.quarantined, row.filtered, row.deleted, held)


async def add(session: Session, profile: Profile, told: Sequence[str], *, scheduled: bool, any_time: bool) -> int:
    """Create a run with the profile's warnings and those in `told`; Conflict if the profile has a run in progress.

    `any_time`: ignore the profile's time windows.
    """
    given = (profile.id, profile.name, [*profile.warnings, *told], scheduled, any_time)
    run_id: int = await session.value(_SQL["add"], *given)
    return run_id


async def add_jobs(session: Session, run_id: int, profile_id: int, *, everybody: bool) -> None:
    """Create one job per mailbox of the profile or (`everybody`) per user with an address that is not excluded."""
    if everybody:
        await session.execute(_SQL["ensure_primary_mailboxes"], profile_id)
        await session.execute(_SQL["add_jobs_of_everybody"], run_id, profile_id)
    else:
        await session.execute(_SQL["add_jobs_of_profile"], run_id, profile_id)


async def get(session: Session, run_id: int) -> Run:
    """Return a run with its counts; NotFound if it does not exist."""
    row = await session.row(_Row, _SQL["summaries"], run_id, 1) if is_id(run_id) else None
    if row is None:
        raise NotFound(f"there is no run {run_id}", hint="`muniment run list` shows the latest runs.")
    return row.run()


async def latest(session: Session, limit: int) -> list[Run]:
    """Return the newest runs, newest first."""
    return [row.run() for row in await session.rows(_Row, _SQL["summaries"], None, limit)]


async def pace(session: Session, profile_id: int | None) -> Pace:
    """Return how much the latest runs of a profile (None: of all) archived, and in what time."""
    row = await session.row(Pace, _SQL["pace"], profile_id)
    assert row is not None  # an aggregate
    return row


async def failures(session: Session, run_id: int, limit: int | None) -> list[Failure]:
    """Return up to `limit` (None: all) failed mailboxes with the reason, in the order in which they failed."""
    return await session.rows(Failure, _SQL["failures"], run_id, limit)


async def notices(session: Session, run_id: int, limit: int | None) -> list[Notice]:
    """Return up to `limit` (None: all) mailboxes that have warnings or will be retried."""
    return [row.notice() for row in await session.rows(_NoticeRow, _SQL["notices"], run_id, limit)]


async def results(session: Session, run_id: int) -> list[MailboxResult]:
    """Return what the run did with each mailbox, by address."""
    return [row.result() for row in await session.rows(_ResultRow, _SQL["results"], run_id)]


async def cancel(session: Session, run_id: int) -> None:
    """Request cancellation of a run in progress."""
    await session.execute(_SQL["cancel"], run_id)


async def cancel_jobs(session: Session, run_id: int) -> None:
    """Cancel the jobs of the run that no worker holds."""
    await session.execute(_SQL["cancel_jobs"], run_id)


async def open_ids(session: Session) -> list[int]:
    """Return the ids of all runs that are not finished."""
    return await session.values(_SQL["open_ids"])


async def lock(session: Session, run_id: int, *, wait: bool) -> Gate | None:
    """Lock the run until the transaction ends; None if it does not exist, or if it is locked and `wait` is False."""
    row = await session.row(_GateRow, _SQL["lock"] if wait else _SQL["try_lock"], run_id)
    return None if row is None else row.gate()


async def pause(session: Session, run_id: int, until: datetime | None) -> None:
    """Record that a run is paused until `until`, or (None) continues."""
    await session.execute(_SQL["pause"], run_id, until)


async def is_any_time(session: Session, run_id: int) -> bool:
    """Return whether a run ignores its profile's time windows."""
    return bool(await session.value(_SQL["is_any_time"], run_id))


async def finish(session: Session, run_id: int) -> RunState | None:
    """Finish the run if no job is left, and return its final state; None otherwise."""
    state: str | None = await session.value(_SQL["finish"], run_id)
    return None if state is None else RunState(state)


async def master_look(session: Session, run_id: int, respite_seconds: float) -> MasterLook | None:
    """Return the last inspection of the privileged user's own mailbox; None: it must be inspected (again)."""
    return await session.row(MasterLook, _SQL["master_look"], run_id, respite_seconds)


async def set_master_fingerprint(session: Session, run_id: int, fingerprint: bytes, *, for_good: bool) -> None:
    """Store the fingerprint for a minute or, with `for_good`, for the rest of the run."""
    await session.execute(_SQL["set_master_fingerprint"], run_id, fingerprint, for_good)


async def fail_master_look(session: Session, run_id: int, failure: str, *, throttled: bool) -> None:
    """Store why the privileged user's own mailbox could not be inspected."""
    await session.execute(_SQL["fail_master_look"], run_id, failure, throttled)
