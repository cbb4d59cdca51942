"""What the scheduler does about workers that still hold locks after their lease expired."""

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
    """Lease the job for a moment as this process."""
    async with harness.database.session() as session:
        assert await jobs.lease(session, job_id, process_name(), LEASE_SECONDS)


async def state(harness: Harness, job_id: int) -> str:
    """Return the state of the job."""
    async with harness.database.session() as session:
        return str(await session.value("SELECT state FROM jobs WHERE id = $1", job_id))


async def lock_job(session: Session, job_id: int) -> None:
    """Act like a worker during its commit."""
    await session.execute("SELECT FROM jobs WHERE id = $1 FOR UPDATE", job_id)


async def write(session: Session, _job_id: int) -> None:
    """Act like a worker that is writing: other rows are locked, but not the job's."""
    await session.execute("INSERT INTO users (name) VALUES ('somebody')")


@pytest.mark.parametrize("hold", [lock_job, write])
async def test_stuck_transaction_of_a_silent_worker_is_ended(
    harness: Harness, port: int, hold: Callable[[Session, int], Awaitable[None]]
) -> None:
    """A worker stopped in a transaction loses it, its locks and its job at the first tick after its lease."""
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
    """A late worker that has begun another transaction loses only its job."""
    job_id = await start(harness, port)
    await lease(harness, job_id)
    async with harness.database.session() as session:
        await session.execute(AFTER_IT)

    async with harness.database.transaction() as later:
        await write(later, job_id)
        await pump_runs(ADMIN, harness.resources)
        await later.execute("SELECT 1")

    assert await state(harness, job_id) == "sent"
