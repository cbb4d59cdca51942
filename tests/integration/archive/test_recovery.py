"""What the scheduler does about workers that hold on to what is no longer theirs."""

from __future__ import annotations

import pytest

from muniment.db import jobs
from muniment.errors import DatabaseUnavailable
from muniment.process import process_name
from muniment.services.runs import start_run
from muniment.services.tick import pump_runs
from tests.support.harness import Harness


async def test_stuck_transaction_of_a_silent_worker_is_ended(harness: Harness, port: int) -> None:
    """A worker that was stopped within a transaction loses it, its locks and its job, and nobody else does."""
    await harness.submit("one", "127.0.0.1", port, mailboxes=["ann@example.com"])
    run_id = await start_run(harness.doors, "one")
    ((_, (_, job_id)),) = harness.queue.tasks
    brief = harness.with_settings(lease_seconds=0.001)
    async with harness.database.session() as session:
        assert await jobs.lease(session, job_id, process_name(), 0.001)
        await session.execute("SELECT pg_sleep(0.1)")

    async def stop_within_a_transaction() -> None:
        async with harness.database.transaction() as stuck:
            await stuck.execute("SELECT FROM jobs WHERE id = $1 FOR UPDATE", job_id)
            await stuck.execute("SELECT pg_sleep(0.1)")
            await pump_runs(brief.doors)
            await stuck.execute("SELECT 1")

    with pytest.raises(DatabaseUnavailable):
        await stop_within_a_transaction()

    await pump_runs(harness.doors)
    async with harness.database.session() as session:
        assert await session.value("SELECT state FROM jobs WHERE run_id = $1", run_id) == "sent"
