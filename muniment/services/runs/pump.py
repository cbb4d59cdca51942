"""The pump: keeps as many jobs of a run in flight as the profile allows simultaneously."""

from __future__ import annotations

from muniment import log
from muniment.db import jobs, runs
from muniment.errors import BrokerUnavailable
from muniment.jobs import ARCHIVE_SLICE
from muniment.model.run import RunState
from muniment.services.resources import Resources

_log = log.get(__name__)


async def pump(resources: Resources, run_id: int, *, wait: bool = True) -> int:
    """Send the run's next jobs to the broker, or close the run if none is left; return how many were sent.

    Outside the windows of the profile's schedule, nothing is sent and the run pauses.

    Rows are marked as sent and committed before they are published. A job that the broker does not accept stays marked
    until the mark expires; the scheduler's tick then sends it again. Without `wait`, nothing happens if another pump
    holds the run's lock.
    """
    async with resources.database.transaction() as session:
        gate = await runs.lock(session, run_id, wait=wait)
        if gate is None or gate.state.is_final:
            return 0
        job_ids: list[int] = []
        opens = gate.opens if gate.state is RunState.RUNNING else None
        if opens != gate.paused_until:
            await runs.pause(session, run_id, opens)
        if gate.state is RunState.CANCELLING:
            await runs.cancel_jobs(session, run_id)
        elif opens is not None:
            pass  # running jobs end at the boundary of their slice
        elif (free := gate.max_jobs - await jobs.in_flight(session, run_id)) > 0:
            job_ids = await jobs.send_waiting(session, run_id, free, resources.settings.lease_seconds)
        state = None if job_ids else await runs.finish(session, run_id)
    if state is not None:
        _log.info("run finished", run=run_id, state=state.value)
    try:
        for job_id in job_ids:
            await resources.queue.publish(ARCHIVE_SLICE, run_id, job_id)
    except BrokerUnavailable as error:
        _log.warning("broker unavailable, jobs are sent again later", run=run_id, error=str(error))
    return len(job_ids)
