"""One slice of a job: archive a mailbox for a bounded time, and store the outcome as the job's next state."""

from __future__ import annotations

import asyncio
import random
import shlex
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from muniment import log, metrics
from muniment.db import jobs
from muniment.db.jobs import Completion, Setback
from muniment.errors import (
    BrokerUnavailable,
    Conflict,
    DatabaseUnavailable,
    GaveUp,
    Interrupted,
    LeaseLost,
    MunimentError,
    RunCancelled,
    ServerBusy,
    ServerThrottled,
    Transient,
)
from muniment.model.run import JobState, LeasedJob, RunState
from muniment.process import process_name
from muniment.retry import Backoff
from muniment.services.archiving.archive_mailbox import Outcome, archive_mailbox
from muniment.services.mailboxes.run_access import RunAccess
from muniment.services.resources import Resources

_log = log.get(__name__)

#: How many unreadable folders the hint names.
_NAMED = 3

#: How long a job waits that got no connection slot; longer if the server asks for a pause (seconds).
BUSY_SECONDS = 5.0
LONGEST_BUSY_SECONDS = 60.0

#: The weight of a failure. An outage of PostgreSQL says nothing about the mailbox, and a server with too many
#: connections serves it eventually. A job fails after `job_attempts` failures of full weight in a row.
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


@dataclass(frozen=True)
class Slice:
    """How a slice ended, and the run's next job if this worker leased it; `visit` is None if the slice failed."""

    end: SliceEnd
    next: LeasedJob | None = None
    visit: Outcome | None = None


async def run_slice(resources: Resources, job: LeasedJob, access: RunAccess, *, go_on: bool) -> Slice:
    """Archive while a heartbeat keeps the lease, and store every outcome as the job's next state.

    With `go_on`, completing a job leases the run's next one. Raises only DatabaseUnavailable; the lease then expires.
    """
    try:
        outcome = await _with_heartbeat(resources, job, archive_mailbox(resources, job, access))
        return await _end_well(resources, job, outcome, go_on=go_on and await access.seconds_left(job) > 0)
    except LeaseLost:
        return Slice(SliceEnd.LEASE_LOST)
    except RunCancelled:
        with suppress(LeaseLost):
            async with resources.database.session() as session:
                await jobs.stop_cancelled(session, job.lease)
        return Slice(SliceEnd.CANCELLED)
    except (ServerBusy, BrokerUnavailable) as error:
        return Slice(await _step_back(resources, job, error))
    except MunimentError as error:
        return Slice(await _end_badly(resources, job, error))
    except asyncio.CancelledError:
        # The worker is shutting down: return the job now instead of letting the lease expire.
        await _hand_back(resources, job)
        raise
    except Exception as error:  # noqa: BLE001 - a bug must show as a failure and not as a job that repeats forever
        _log.exception("slice crashed")
        return Slice(
            await _end_badly(resources, job, MunimentError(f"internal error: {type(error).__name__}: {error}"))
        )


def _unreadable_hint(outcome: Outcome) -> str:
    leave_out = " ".join(f"--exclude {shlex.quote(f'{folder.path}/.')}" for folder in outcome.unreadable[:_NAMED])
    return (
        "All other folders were archived. Give this login the right to read them on the mail server, or leave them out "
        f"of the profile: {leave_out}"
    )


async def _end_well(resources: Resources, job: LeasedJob, outcome: Outcome, *, go_on: bool) -> Slice:
    if outcome.more:
        async with resources.database.session() as session:
            await jobs.yield_slice(session, job.lease)
        return Slice(SliceEnd.MORE, visit=outcome)
    if outcome.unreadable:
        error = f"{len(outcome.unreadable)} of {outcome.folders} folders cannot be read: {outcome.unreadable[0]}"
        async with resources.database.session() as session:
            await jobs.fail(session, job.lease, error=error, hint=_unreadable_hint(outcome))
        return Slice(SliceEnd.FAILED, visit=outcome)
    completing = asyncio.ensure_future(_complete(resources, job, outcome, go_on=go_on))
    try:
        return Slice(SliceEnd.DONE, await asyncio.shield(completing), outcome)
    except asyncio.CancelledError:
        # The statement may have leased the next job already: wait for it, then return that job.
        with suppress(MunimentError):
            following = await completing
            if following is not None:
                await _hand_back(resources, following)
        raise


async def _complete(resources: Resources, job: LeasedJob, outcome: Outcome, *, go_on: bool) -> LeasedJob | None:
    done = outcome
    completion = Completion(
        done.warnings, done.complete, done.unmoved, done.fingerprint, done.folder_ids, stretch=done.stretch
    )
    seconds = resources.settings.lease_seconds
    async with resources.database.session() as session:
        try:
            worker = process_name() if go_on else None
            return await jobs.complete(session, job.lease, completion, next_for=worker, seconds=seconds)
        except Conflict:  # another run is leasing the next mailbox at this moment
            return await jobs.complete(session, job.lease, completion, next_for=None, seconds=seconds)


async def _hand_back(resources: Resources, job: LeasedJob) -> None:
    """Return a job so that other workers can lease it now."""
    with suppress(MunimentError):
        async with resources.database.session() as session:
            await jobs.yield_slice(session, job.lease)


async def _end_badly(resources: Resources, job: LeasedJob, error: MunimentError) -> SliceEnd:
    settings = resources.settings
    metrics.SETBACKS.labels(type(error).__name__).inc()
    _log.warning("slice failed", error=str(error), kind=type(error).__name__, attempt=job.attempt + 1)
    seconds = Backoff(settings.retry_first_seconds, settings.retry_cap_seconds).seconds(job.attempt + 1)
    weight = _WEIGHTS.get(type(error), _FULL_WEIGHT)
    setback = Setback(str(error), error.hint, seconds, weight, settings.job_attempts * _FULL_WEIGHT)
    try:
        async with resources.database.session() as session:
            if not isinstance(error, Transient):
                await jobs.fail(session, job.lease, error=str(error), hint=error.hint)
                return SliceEnd.FAILED
            state = await jobs.postpone(session, job.lease, setback)
            return SliceEnd.FAILED if state is JobState.FAILED else SliceEnd.POSTPONED
    except Interrupted:
        return SliceEnd.LEASE_LOST


async def _step_back(resources: Resources, job: LeasedJob, error: Transient) -> SliceEnd:
    """Postpone a job that got no connection; this does not count as a failure of its mailbox."""
    _log.info("no connection", reason=str(error))
    seconds = BUSY_SECONDS * random.uniform(0.5, 1.0)
    if isinstance(error, ServerBusy):
        seconds = max(seconds, min(error.seconds, LONGEST_BUSY_SECONDS))
    try:
        async with resources.database.session() as session:
            await jobs.step_back(session, job.lease, seconds, str(error), error.hint)
    except LeaseLost:
        return SliceEnd.LEASE_LOST
    return SliceEnd.POSTPONED


async def _with_heartbeat(resources: Resources, job: LeasedJob, work: Awaitable[Outcome]) -> Outcome:
    """Run `work` while a heartbeat keeps the lease; when one ends, the other is cancelled."""
    working = asyncio.ensure_future(work)
    beating = asyncio.create_task(_heartbeat(resources, job), name=f"heartbeat of job {job.lease.job_id}")
    try:
        done, _ = await asyncio.wait({working, beating}, return_when=asyncio.FIRST_COMPLETED)
        if working not in done:
            beating.result()  # raises why the heart stopped
        return await working
    finally:
        await _stop(beating)
        await _stop(working)


async def _stop(task: asyncio.Future[Outcome] | asyncio.Task[None]) -> None:
    """Cancel a task and wait until it has cleaned up."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # retrieve it, or asyncio logs it as never retrieved


async def _heartbeat(resources: Resources, job: LeasedJob) -> None:
    """Extend the lease three times per lease period until it raises LeaseLost or RunCancelled.

    If PostgreSQL does not respond for a whole lease period, another worker may own the job, which is LeaseLost as well.
    """
    loop = asyncio.get_running_loop()
    period = resources.settings.lease_seconds
    kept = loop.time()
    while True:
        await asyncio.sleep(period / 3)
        try:
            async with asyncio.timeout(period / 3), resources.database.session() as session:
                state = await jobs.extend(session, job.lease, period)
        except (DatabaseUnavailable, TimeoutError) as error:
            if loop.time() - kept > period:
                raise LeaseLost("PostgreSQL was silent for a whole lease") from error
            continue
        kept = loop.time()
        if state is RunState.CANCELLING:
            raise RunCancelled
