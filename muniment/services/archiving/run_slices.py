"""A batch of slices, the body of a Celery task: one slice of the job that was sent, then of the run's next jobs."""

from __future__ import annotations

import time

from muniment import log, metrics
from muniment.db import jobs
from muniment.errors import MailboxBusy
from muniment.model.run import LeasedJob
from muniment.process import process_name
from muniment.services.access.principal import Principal, Right
from muniment.services.archiving.run_slice import SliceEnd, run_slice
from muniment.services.mailboxes.run_access import RunAccess
from muniment.services.resources import Resources
from muniment.services.runs.pump import pump

_log = log.get(__name__)

#: How long a job waits whose mailbox another run is archiving (seconds).
BUSY_SECONDS = 15.0


async def run_slices(principal: Principal, resources: Resources, run_id: int, job_id: int) -> SliceEnd:
    """Run a slice of a job, continue with the run's next jobs for `turn_seconds`, and pump the run.

    Continuing costs one statement; another task costs the broker, Celery, its events and a pump. A job that cannot be
    leased (done, cancelled, leased by another worker, sent twice) is not an error. Returns how the last slice ended.
    Raises only DatabaseUnavailable; leases then expire.
    """
    principal.require(Right.PROCESS)
    job = await _lease(resources, job_id)
    if job is None:
        return SliceEnd.NOT_LEASED
    access = RunAccess(resources)
    until = time.monotonic() + resources.settings.turn_seconds
    while True:
        with log.bound(run=run_id, job=job.lease.job_id, mailbox_id=job.mailbox_id):
            with metrics.SLICES_RUNNING.track_inprogress(), metrics.SLICE_SECONDS.time():
                done = await run_slice(resources, job, access, go_on=time.monotonic() < until)
            metrics.SLICES.labels(done.end.value).inc()
            visited = {} if done.visit is None else {"folders": done.visit.folders, "commands": done.visit.commands}
            _log.info("slice ended", end=done.end.value, **visited)
        if done.next is None:
            break
        job = done.next
    await pump(resources, run_id)
    return done.end


async def _lease(resources: Resources, job_id: int) -> LeasedJob | None:
    async with resources.database.session() as session:
        try:
            return await jobs.lease(session, job_id, process_name(), resources.settings.lease_seconds)
        except MailboxBusy:
            await jobs.delay_busy(session, job_id, BUSY_SECONDS)
            return None
