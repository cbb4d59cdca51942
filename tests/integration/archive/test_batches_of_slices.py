"""Batches of slices: a worker that finishes a mailbox continues with the next one of its run, within all limits."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from muniment.db import jobs
from muniment.db.jobs import Completion
from muniment.model.run import JobState, LeasedJob, RunState
from muniment.services.runs.lifecycle import cancel_run, show_run, start_run
from tests.support.harness import Harness
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import TARGET, assert_neighbours_exact, mailbox, neighbourhood, source, submit

DONE = Completion([], proven=True, unmoved=[], fingerprint=None)


async def test_one_task_serves_all_mailboxes(harness: Harness) -> None:
    """With one job at a time, one task archives all mailboxes in sequence and completes the run."""
    script = neighbourhood(mailbox("target"))
    async with ImapServer(script) as server:
        await submit(harness, server, max_jobs=1)
        run_id = await start_run(ADMIN, harness.resources, "all")
        sent = len(harness.queue.tasks)
        await harness.work()
        report = await show_run(ADMIN, harness.resources, run_id)

    assert (sent, len(harness.queue.tasks)) == (1, 0)
    assert (report.run.state, report.run.mailboxes.done) == (RunState.SUCCEEDED, 4)
    assert server.max_connections == 1
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)
    await assert_neighbours_exact(harness, script)


async def test_own_mailbox_with_the_same_numbers_is_noticed(harness: Harness) -> None:
    """A small mailbox is examined again even if the counts of all folders are unchanged."""
    script = neighbourhood(mailbox("target"), ())
    async with ImapServer(script) as server:
        await submit(harness, server)
        first = await harness.archive("all")
        script.mailboxes["archiver"] = mailbox("archiver")
        script.always_opens = "archiver"
        second = await harness.archive("all")

    assert first.run.state == RunState.SUCCEEDED
    assert "privileged user's own mailbox" in second.failures[0].error


async def test_cancelled_run_gives_no_next_job(harness: Harness) -> None:
    """After finishing a mailbox of a cancelled run, a worker gets no further one."""
    job = await _leased(harness, max_jobs=1)
    await cancel_run(ADMIN, harness.resources, job.run_id)

    assert await _complete(harness, job) is None


async def test_lowered_maximum_gives_no_next_job(harness: Harness) -> None:
    """If the profile's maximum of jobs was lowered below those in flight, a finished job is not replaced."""
    job = await _leased(harness, max_jobs=2)
    async with harness.database.session() as session:
        await session.execute("UPDATE profiles SET max_jobs = 1")

    assert await _complete(harness, job) is None
    async with harness.database.session() as session:
        assert await jobs.in_flight(session, job.run_id) == 1


async def test_next_mailbox_of_another_run_is_left_alone(harness: Harness) -> None:
    """A mailbox that another run is archiving is not leased directly; the pump sends it, and it waits."""
    job = await _leased(harness, max_jobs=1)
    async with harness.database.session() as session:
        await session.execute("INSERT INTO runs (profile_name) VALUES ('another')")
        await session.execute(
            "INSERT INTO jobs (run_id, mailbox_id, state, started, lease_until) "
            "SELECT 2, mailbox_id, 'running', now(), now() + interval '1 hour' FROM jobs WHERE state = 'waiting'"
        )

    assert await _complete(harness, job) is None


async def test_worker_that_stops_while_it_goes_on_holds_nothing(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker cancelled at the moment it leases the next job hands that job back at once."""
    leased = asyncio.Event()
    let_go = asyncio.Event()
    complete = jobs.complete

    async def slowly(*args: Any, **kwargs: Any) -> LeasedJob | None:
        following = await complete(*args, **kwargs)
        leased.set()
        await let_go.wait()
        return following

    monkeypatch.setattr(jobs, "complete", slowly)
    script = neighbourhood(mailbox("target"))
    async with ImapServer(script) as server:
        await submit(harness, server, max_jobs=1)
        run_id = await start_run(ADMIN, harness.resources, "all")
        working = asyncio.create_task(harness.work())
        await leased.wait()
        working.cancel()
        let_go.set()
        await asyncio.wait({working})
        async with harness.database.session() as session:
            states = await session.values("SELECT state FROM jobs ORDER BY id")
            held = await session.value("SELECT count(*) FROM jobs WHERE lease_until IS NOT NULL")
        monkeypatch.undo()
        report = await harness.finish(run_id)

    assert working.cancelled()
    assert sorted(states) == [JobState.DONE] + [JobState.WAITING] * 3
    assert held == 0
    assert report.run.state == RunState.SUCCEEDED
    await assert_neighbours_exact(harness, script)


async def _leased(harness: Harness, *, max_jobs: int) -> LeasedJob:
    """Start a run of four mailboxes and lease the first job."""
    async with ImapServer(neighbourhood(mailbox("target"))) as server:
        await submit(harness, server, max_jobs=max_jobs)
        await start_run(ADMIN, harness.resources, "all")
    async with harness.database.session() as session:
        job = await jobs.lease(session, harness.queue.tasks[0][1][1], "somebody", 60)
    assert job is not None
    return job


async def _complete(harness: Harness, job: LeasedJob) -> LeasedJob | None:
    async with harness.database.session() as session:
        return await jobs.complete(session, job.lease, DONE, next_for="somebody", seconds=60)
