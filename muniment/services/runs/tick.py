"""The scheduler's tick. Every step may run twice, or in two processes at once."""

from __future__ import annotations

from muniment import log, metrics
from muniment.db import jobs, runs
from muniment.errors import BrokerUnavailable
from muniment.jobs import Queue
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources
from muniment.services.runs.pump import pump

_log = log.get(__name__)

#: A job fails after its worker died this often in a row without a commit in between.
MAX_LOSSES = 20


async def pump_runs(principal: Principal, resources: Resources) -> None:
    """Recover lost jobs, then pump every open run."""
    principal.require(Right.PROCESS)
    async with resources.database.session() as session:
        run_ids = await runs.open_ids(session)
    if run_ids:
        await _recover(resources, run_ids)
    for run_id in run_ids:
        # Never wait for a lock: the process that holds it may be stopped, and the tick serves every run.
        await pump(resources, run_id, wait=False)


async def _recover(resources: Resources, run_ids: list[int]) -> None:
    """Requeue jobs whose worker stopped responding or whose task the broker lost."""
    # One transaction, so that now() is the same for both: else a lease that expires in between escapes `end_stuck`.
    async with resources.database.transaction() as session:
        stuck = await jobs.end_stuck(session, run_ids)
        silent = await jobs.release_silent(session, run_ids, MAX_LOSSES)
        sent = await jobs.count_sent(session, run_ids)
    if stuck:
        _log.warning("transactions of silent workers ended", transactions=stuck)
    if silent:
        metrics.RECOVERED.labels("silent").inc(silent)
        _log.warning("workers fell silent", jobs=silent)
    try:
        waiting = await resources.queue.depth(Queue.ARCHIVE) if sent else 0
    except BrokerUnavailable:
        return  # nothing can be sent either
    async with resources.database.session() as session:
        # If the broker holds as many tasks as were sent, the queue is long and nothing is lost. Sending again would
        # fill the broker while no worker is up.
        if waiting >= sent:
            await jobs.prolong_sent(session, run_ids, resources.settings.lease_seconds)
        elif lost := await jobs.resend_lost(session, run_ids):
            metrics.RECOVERED.labels("lost").inc(lost)
            _log.warning("broker lost tasks", jobs=lost)
