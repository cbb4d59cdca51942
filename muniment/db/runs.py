"""Runs: opening, counting, cancelling, finishing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from muniment.db.database import Session
from muniment.db.sql import load
from muniment.errors import NotFound
from muniment.model.profile import Profile
from muniment.model.run import Failure, MailboxCounts, MessageCounts, Notice, Run, RunState
from muniment.model.schedule import Schedule

_SQL = load("runs")


@dataclass(frozen=True)
class Gate:
    """What the pump needs to know of a run."""

    state: RunState
    max_jobs: int
    schedule: Schedule
    any_time: bool
    paused_until: datetime | None
    now: datetime

    @property
    def opens(self) -> datetime | None:
        """When it may go on; None: now."""
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
    """A look at the privileged user's own mailbox: `fingerprint` (empty: he has none), or why there is none."""

    fingerprint: bytes | None
    failure: str
    throttled: bool


@dataclass(frozen=True)
class Pace:
    """So many messages and bytes of originals were archived in so many seconds."""

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

    def run(self) -> Run:
        return Run(
            id=self.id,
            profile=self.profile,
            state=RunState(self.state),
            started=self.started,
            finished=self.finished,
            mailboxes=MailboxCounts(self.total, self.done, self.failed, self.running, self.queued, self.cancelled),
            messages=MessageCounts(self.seen, self.archived, self.known, self.quarantined, self.filtered, self.deleted),
            bytes=self.bytes,
            warnings=self.warnings,
            scheduled=self.scheduled,
            paused_until=self.paused_until,
        )


async def add(session: Session, profile: Profile, told: Sequence[str], *, scheduled: bool, any_time: bool) -> int:
    """Open a run with the profile's warnings and those `told`; Conflict when the profile has an open one.

    `any_time`: its windows do not count.
    """
    given = (profile.id, profile.name, [*profile.warnings, *told], scheduled, any_time)
    run_id: int = await session.value(_SQL["add"], *given)
    return run_id


async def add_jobs(session: Session, run_id: int, profile_id: int, *, everybody: bool) -> None:
    """Write one job per mailbox that the profile names, or per user with an address that it does not leave out."""
    if everybody:
        await session.execute(_SQL["ensure_primary_mailboxes"], profile_id)
        await session.execute(_SQL["add_jobs_of_everybody"], run_id, profile_id)
    else:
        await session.execute(_SQL["add_jobs_of_profile"], run_id, profile_id)


async def get(session: Session, run_id: int) -> Run:
    """Return a run with its counts; NotFound says how to list them."""
    row = await session.row(_Row, _SQL["summaries"], run_id, 1)
    if row is None:
        raise NotFound(f"there is no run {run_id}", hint="`muniment run list` shows the latest runs.")
    return row.run()


async def latest(session: Session, limit: int) -> list[Run]:
    """Return the newest runs, newest first."""
    return [row.run() for row in await session.rows(_Row, _SQL["summaries"], None, limit)]


async def pace(session: Session, profile_id: int | None) -> Pace:
    """Return what the newest runs of a profile (None: of all) archived, and in what time."""
    row = await session.row(Pace, _SQL["pace"], profile_id)
    assert row is not None  # an aggregate
    return row


async def failures(session: Session, run_id: int, limit: int | None) -> list[Failure]:
    """Return the mailboxes that failed, and why, in the order in which they did; None: all."""
    return await session.rows(Failure, _SQL["failures"], run_id, limit)


async def notices(session: Session, run_id: int, limit: int | None) -> list[Notice]:
    """Return mailboxes with warnings, and those that wait for another try; None: all."""
    return await session.rows(Notice, _SQL["notices"], run_id, limit)


async def cancel(session: Session, run_id: int) -> None:
    """Ask a running run to stop."""
    await session.execute(_SQL["cancel"], run_id)


async def cancel_jobs(session: Session, run_id: int) -> None:
    """End the jobs of the run that no worker holds."""
    await session.execute(_SQL["cancel_jobs"], run_id)


async def open_ids(session: Session) -> list[int]:
    """Return the ids of all runs that are not finished."""
    return await session.values(_SQL["open_ids"])


async def lock(session: Session, run_id: int, *, wait: bool) -> Gate | None:
    """Lock the run until the transaction ends; None: another has it and `wait` is False, or there is no such run."""
    row = await session.row(_GateRow, _SQL["lock"] if wait else _SQL["try_lock"], run_id)
    return None if row is None else row.gate()


async def pause(session: Session, run_id: int, until: datetime | None) -> None:
    """Note that a run pauses until then, or (None) goes on."""
    await session.execute(_SQL["pause"], run_id, until)


async def is_any_time(session: Session, run_id: int) -> bool:
    """Tell whether a run goes on outside of its profile's windows."""
    return bool(await session.value(_SQL["is_any_time"], run_id))


async def finish(session: Session, run_id: int) -> RunState | None:
    """Close the run if no job is left and return its final state."""
    state: str | None = await session.value(_SQL["finish"], run_id)
    return None if state is None else RunState(state)


async def master_look(session: Session, run_id: int, respite_seconds: float) -> MasterLook | None:
    """Return what the last look at the privileged user's own mailbox gave; None = look (again)."""
    return await session.row(MasterLook, _SQL["master_look"], run_id, respite_seconds)


async def set_master_fingerprint(session: Session, run_id: int, fingerprint: bytes, *, for_good: bool) -> None:
    """Remember the fingerprint for a minute, or `for_good`, which is for this run."""
    await session.execute(_SQL["set_master_fingerprint"], run_id, fingerprint, for_good)


async def fail_master_look(session: Session, run_id: int, failure: str, *, throttled: bool) -> None:
    """Remember why the privileged user's own mailbox could not be looked at."""
    await session.execute(_SQL["fail_master_look"], run_id, failure, throttled)
