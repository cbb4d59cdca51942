"""One slice of a job: lease the mailbox, archive for a bounded time, say how it went."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from enum import StrEnum

from muniment import log
from muniment.db import jobs
from muniment.db.jobs import Setback
from muniment.errors import (
    DatabaseUnavailable,
    Interrupted,
    LeaseLost,
    MailboxBusy,
    MunimentError,
    RunCancelled,
    ServerThrottled,
    Transient,
)
from muniment.model.run import JobState, LeasedJob, RunState
from muniment.process import process_name
from muniment.retry import Backoff
from muniment.services.archive_mailbox import Outcome, archive_mailbox
from muniment.services.doors import Doors
from muniment.services.folder_work import GaveUp
from muniment.services.pump import pump

_log = log.get(__name__)

#: What to do about folders that the server lists and refuses to open.
UNREADABLE_HINT = "All other folders were archived. Give this login the right to read them on the mail server."

#: A mailbox that another run is archiving is tried again after this time (seconds).
BUSY_SECONDS = 15.0

#: What a failure weighs: PostgreSQL being away says nothing about the mailbox, and a server with too many connections
#: gets to this one in the end. `job_attempts` failures of the full weight in a row are enough.
_FULL_WEIGHT = 10
_WEIGHTS: dict[type[MunimentError], int] = {DatabaseUnavailable: 0, GaveUp: 0, ServerThrottled: 1}


class SliceEnd(StrEnum):
    """How a slice ended."""

    NOT_LEASED = "not leased"
    MORE = "more to do"
    DONE = "done"
    POSTPONED = "postponed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    LEASE_LOST = "lease lost"


async def run_slice(doors: Doors, run_id: int, job_id: int) -> SliceEnd:
    """Run one slice of a job and pump the run's next jobs.

    A job that is not to be had (done, cancelled, leased by another, sent twice) is no error.
    Only DatabaseUnavailable leaves this function: the lease then runs out by itself.
    """
    job = await _lease(doors, job_id)
    if job is None:
        return SliceEnd.NOT_LEASED
    with log.bound(run=run_id, job=job_id, mailbox_id=job.mailbox_id):
        end = await _work(doors, job)
        _log.info("slice ended", end=end.value)
    await pump(doors, run_id)
    return end


async def _lease(doors: Doors, job_id: int) -> LeasedJob | None:
    async with doors.database.session() as session:
        try:
            return await jobs.lease(session, job_id, process_name(), doors.settings.lease_seconds)
        except MailboxBusy:
            await jobs.delay_busy(session, job_id, BUSY_SECONDS)
            return None


async def _work(doors: Doors, job: LeasedJob) -> SliceEnd:
    """Archive under a heartbeat and translate every outcome into the job's next state."""
    try:
        outcome = await _with_heartbeat(doors, job, archive_mailbox(doors, job))
        return await _end_well(doors, job, outcome)
    except LeaseLost:
        return SliceEnd.LEASE_LOST
    except RunCancelled:
        with suppress(LeaseLost):
            async with doors.database.session() as session:
                await jobs.stop_cancelled(session, job.lease)
        return SliceEnd.CANCELLED
    except MunimentError as error:
        return await _end_badly(doors, job, error)
    except asyncio.CancelledError:
        # The worker shuts down: hand the job back at once instead of letting the lease run out.
        with suppress(MunimentError):
            async with doors.database.session() as session:
                await jobs.yield_slice(session, job.lease)
        raise
    except Exception as error:  # noqa: BLE001 - a bug must end as a visible failure, not as a job that repeats for ever
        _log.exception("slice crashed")
        return await _end_badly(doors, job, MunimentError(f"internal error: {type(error).__name__}: {error}"))


async def _end_well(doors: Doors, job: LeasedJob, outcome: Outcome) -> SliceEnd:
    async with doors.database.transaction() as session:
        if outcome.more:
            await jobs.yield_slice(session, job.lease)
            return SliceEnd.MORE
        if outcome.unreadable:
            error = f"{len(outcome.unreadable)} of {outcome.folders} folders cannot be read: {outcome.unreadable[0]}"
            await jobs.fail(session, job.lease, error=error, hint=UNREADABLE_HINT)
            return SliceEnd.FAILED
        await jobs.complete(session, job.lease, outcome.warnings)
        if outcome.complete:
            await jobs.mark_proven(session, job.mailbox_id)
        return SliceEnd.DONE


async def _end_badly(doors: Doors, job: LeasedJob, error: MunimentError) -> SliceEnd:
    settings = doors.settings
    _log.warning("slice failed", error=str(error), kind=type(error).__name__, attempt=job.attempt + 1)
    seconds = Backoff(settings.retry_first_seconds, settings.retry_cap_seconds).seconds(job.attempt + 1)
    weight = _WEIGHTS.get(type(error), _FULL_WEIGHT)
    setback = Setback(str(error), error.hint, seconds, weight, settings.job_attempts * _FULL_WEIGHT)
    try:
        async with doors.database.session() as session:
            if not isinstance(error, Transient):
                await jobs.fail(session, job.lease, error=str(error), hint=error.hint)
                return SliceEnd.FAILED
            state = await jobs.postpone(session, job.lease, setback)
            return SliceEnd.FAILED if state is JobState.FAILED else SliceEnd.POSTPONED
    except Interrupted:
        return SliceEnd.LEASE_LOST


async def _with_heartbeat(doors: Doors, job: LeasedJob, work: Awaitable[Outcome]) -> Outcome:
    """Run `work` while the lease is kept; the first of the two to end ends the other."""
    working = asyncio.ensure_future(work)
    beating = asyncio.create_task(_heartbeat(doors, job), name=f"heartbeat of job {job.lease.job_id}")
    try:
        done, _ = await asyncio.wait({working, beating}, return_when=asyncio.FIRST_COMPLETED)
        if working not in done:
            beating.result()  # raises why the heart stopped
        return await working
    finally:
        await _stop(beating)
        await _stop(working)


async def _stop(task: asyncio.Future[Outcome] | asyncio.Task[None]) -> None:
    """Cancel a task and wait until it has cleaned up after itself."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # looked at: asyncio shall not complain about it


async def _heartbeat(doors: Doors, job: LeasedJob) -> None:
    """Extend the lease three times per lease; ends with LeaseLost or RunCancelled, never well.

    When PostgreSQL is silent for a whole lease, another worker may own the job: stop as well.
    """
    loop = asyncio.get_running_loop()
    period = doors.settings.lease_seconds
    kept = loop.time()
    while True:
        await asyncio.sleep(period / 3)
        try:
            async with asyncio.timeout(period / 3), doors.database.session() as session:
                state = await jobs.extend(session, job.lease, period)
        except (DatabaseUnavailable, TimeoutError) as error:
            if loop.time() - kept > period:
                raise LeaseLost("PostgreSQL was silent for a whole lease") from error
            continue
        kept = loop.time()
        if state is RunState.CANCELLING:
            raise RunCancelled
