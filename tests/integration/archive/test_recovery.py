"""What the scheduler does about workers that hold on to what is no longer theirs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from muniment.db import jobs
from muniment.db.database import Session
from muniment.errors import DatabaseUnavailable
from muniment.process import process_name
from muniment.services.runs.lifecycle import start_run
from muniment.services.runs.tick import pump_runs
from tests.support.harness import Harness
from tests.support.principal import ADMIN

LEASE_SECONDS = 0.1
AFTER_IT = "SELECT pg_sleep(0.15)"


async def start(harness: Harness, port: int) -> int:
    """Start a run of one mailbox and return its job."""
    await harness.submit("one", "127.0.0.1", port, mailboxes=["ann@example.com"])
    await start_run(ADMIN, harness.resources, "one")
    ((_, (_, job_id)),) = harness.queue.tasks
    return job_id


async def lease(harness: Harness, job_id: int) -> None:
    """Lease the job for a moment, as this process."""
    async with harness.database.session() as session:
        assert await jobs.lease(session, job_id, process_name(), LEASE_SECONDS)


async def state(harness: Harness, job_id: int) -> str:
    """Return how the job stands."""
    async with harness.database.session() as session:
        return str(await session.value("SELECT state FROM jobs WHERE id = $1", job_id))


async def lock_job(session: Session, job_id: int) -> None:
    """Be a worker in its commit."""
    await session.execute("SELECT FROM jobs WHERE id = $1 FOR UPDATE", job_id)


async def write(session: Session, _job_id: int) -> None:
    """Be a worker that writes: the job's row is locked by nobody, other rows are."""
    await session.execute("INSERT INTO users (name) VALUES ('somebody')")


@pytest.mark.parametrize("hold", [lock_job, write])
async def test_stuck_transaction_of_a_silent_worker_is_ended(
    harness: Harness, port: int, hold: Callable[[Session, int], Awaitable[None]]
) -> None:
    """A worker that was stopped within a transaction loses it, its locks and its job by the first tick afterwards."""
    job_id = await start(harness, port)

    async def stop_within_a_transaction() -> None:
        async with harness.database.transaction() as stuck:
            await lease(harness, job_id)
            await hold(stuck, job_id)
            await stuck.execute(AFTER_IT)
            await pump_runs(ADMIN, harness.resources)
            await stuck.execute("SELECT 1")

    with pytest.raises(DatabaseUnavailable):
        await stop_within_a_transaction()

    await pump_runs(ADMIN, harness.resources)
    assert await state(harness, job_id) == "sent"


async def test_transaction_begun_after_the_lease_is_left_alone(harness: Harness, port: int) -> None:
    """A worker that was late and does something new loses its job, and nothing else."""
    job_id = await start(harness, port)
    await lease(harness, job_id)
    async with harness.database.session() as session:
        await session.execute(AFTER_IT)

    async with harness.database.transaction() as later:
        await write(later, job_id)
        await pump_runs(ADMIN, harness.resources)
        await later.execute("SELECT 1")

    assert await state(harness, job_id) == "sent"
