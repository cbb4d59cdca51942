"""Runs: lost and duplicate tasks, mailboxes in turn, and cancellation."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from muniment.errors import Conflict
from muniment.model.run import RunState
from muniment.services.archiving import run_slices as run_slices_module
from muniment.services.archiving.run_slice import SliceEnd
from muniment.services.archiving.run_slices import run_slices
from muniment.services.runs.lifecycle import cancel_run, show_run, start_run
from muniment.services.runs.tick import pump_runs
from tests.support.harness import Harness
from tests.support.imap_script import Fault, Script
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import (
    TARGET,
    archive,
    assert_neighbours_exact,
    mailbox,
    neighbourhood,
    source,
    submit,
)
from tests.support.waiting import wait_until_async


async def test_emptied_broker_is_survived(harness: Harness) -> None:
    """Tasks lost by the broker are sent again until every mailbox is done."""
    script = neighbourhood(mailbox("target"))
    quick = harness.with_settings(lease_seconds=0.3)
    async with ImapServer(script) as server:
        await submit(quick, server)
        run_id = await start_run(ADMIN, quick.resources, "all")
        assert len(quick.queue.tasks) == 4
        quick.queue.lose()
        report = await quick.finish(run_id)

    assert (report.run.state, report.run.mailboxes.done) == (RunState.SUCCEEDED, 4)
    await assert_neighbours_exact(harness, script)


async def test_broker_that_is_away_is_survived(harness: Harness) -> None:
    """A run started while the broker is down continues once it is back."""
    script = neighbourhood(mailbox("target"))
    quick = harness.with_settings(lease_seconds=0.3)
    async with ImapServer(script) as server:
        await submit(quick, server)
        quick.queue.is_away = True
        run_id = await start_run(ADMIN, quick.resources, "all")
        await pump_runs(ADMIN, quick.resources)
        quick.queue.is_away = False
        report = await quick.finish(run_id)

    assert (report.run.state, report.run.mailboxes.done) == (RunState.SUCCEEDED, 4)
    await assert_neighbours_exact(harness, script)


async def test_long_queue_is_no_loss(harness: Harness) -> None:
    """While the broker still has the tasks, nothing is sent again, however slow the workers are."""
    script = neighbourhood(mailbox("target"))
    async with ImapServer(script) as server:
        await submit(harness, server)
        await start_run(ADMIN, harness.resources, "all")
        sent = list(harness.queue.tasks)
        for _ in range(3):
            async with harness.database.session() as session:
                await session.execute("UPDATE jobs SET lease_until = now() - interval '1 hour'")
            await pump_runs(ADMIN, harness.resources)

    assert sent == list(harness.queue.tasks)


async def test_task_sent_twice_runs_once(harness: Harness) -> None:
    """If a task is delivered twice, one delivery does the work and the other is dropped."""
    script = neighbourhood(mailbox("target"), ())
    async with ImapServer(script) as server:
        await submit(harness, server)
        run_id = await start_run(ADMIN, harness.resources, "all")
        harness.queue.tasks.extend([harness.queue.tasks[0]] * 3)
        ends = Counter(await harness.work())
        late = await run_slices(ADMIN, harness.resources, run_id, 1)

    assert ends == {SliceEnd.DONE: 1, SliceEnd.NOT_LEASED: 3}
    assert late is SliceEnd.NOT_LEASED
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)


async def test_two_runs_on_one_mailbox_take_turns(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two profiles for the same mailbox never write at the same time, and nothing is archived twice."""
    monkeypatch.setattr(run_slices_module, "BUSY_SECONDS", 0.05)
    script = neighbourhood(mailbox("target", messages=40), ())
    tiny = harness.with_settings(batch_messages=5, slice_bytes=2000)
    async with ImapServer(script) as server:
        for name in ("first", "second"):
            await submit(tiny, server, name)
        ids = [await start_run(ADMIN, tiny.resources, name) for name in ("first", "second")]
        reports = [await tiny.finish(run_id) for run_id in ids]

    assert [report.run.state for report in reports] == [RunState.SUCCEEDED] * 2
    assert server.max_connections == 1
    assert sum(report.run.messages.archived for report in reports) == 120
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)


async def test_two_names_of_one_server_do_not_undo_each_other(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two profiles that reach a mailbox by different names of its server archive it in turn, and both finish."""
    monkeypatch.setattr(run_slices_module, "BUSY_SECONDS", 0.05)
    script = neighbourhood(mailbox("target", messages=20), ())
    tiny = harness.with_settings(batch_messages=5, slice_bytes=1000)
    async with ImapServer(script) as server:
        await tiny.submit("by number", "127.0.0.1", server.port, mailboxes=[TARGET])
        await tiny.submit("by name", "localhost", server.port, mailboxes=[TARGET])
        ids = [await start_run(ADMIN, tiny.resources, name) for name in ("by number", "by name")]
        reports = [await tiny.finish(run_id) for run_id in ids]

    assert [report.run.state for report in reports] == [RunState.SUCCEEDED] * 2
    assert [report.run.messages.archived for report in reports] == [60, 0]
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)


async def test_profile_started_twice_at_once_runs_once(harness: Harness) -> None:
    """If a profile is started twice at the same moment, one call gets a run, and the other an error that names it."""
    script = neighbourhood(mailbox("target"))
    async with ImapServer(script) as server:
        await submit(harness, server)
        answers = await asyncio.gather(
            *(start_run(ADMIN, harness.resources, "all") for _ in range(4)), return_exceptions=True
        )

    (run_id,) = [answer for answer in answers if isinstance(answer, int)]
    refusals = [answer for answer in answers if isinstance(answer, Conflict)]
    assert [str(refusal) for refusal in refusals] == [f"profile all is running already (run {run_id})"] * 3


async def test_cancelled_run_stops_and_the_next_completes(harness: Harness) -> None:
    """Cancelling stops waiting mailboxes at once and running ones at their heartbeat; the next run does the rest."""
    script = neighbourhood(mailbox("target"))
    script.faults = [Fault("UID FETCH", containing="BODY", hang=True, mailbox=TARGET)]
    quick = harness.with_settings(lease_seconds=0.6)
    async with ImapServer(script) as server:
        await submit(quick, server, max_jobs=1)
        run_id = await start_run(ADMIN, quick.resources, "all")
        working = asyncio.create_task(_work_until_final(quick, run_id))
        await wait_until_async(lambda: _answer(server.sent("UID FETCH")), "the worker fetches")
        await cancel_run(ADMIN, quick.resources, run_id)
        await asyncio.wait_for(working, 60)
        cancelled = await show_run(ADMIN, harness.resources, run_id)
        script.faults = []
        again = await quick.archive("all")

    assert cancelled.run.state == RunState.CANCELLED
    assert cancelled.run.mailboxes.cancelled >= 1
    assert (again.run.state, again.run.mailboxes.done) == (RunState.SUCCEEDED, 4)
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)
    await assert_neighbours_exact(harness, script)


async def _work_until_final(harness: Harness, run_id: int) -> None:
    while not (await harness.run(run_id)).state.is_final:
        await harness.work()
        await pump_runs(ADMIN, harness.resources)


@pytest.mark.parametrize("limit", [1, 3])
async def test_never_more_connections_than_allowed(harness: Harness, limit: int) -> None:
    """The server never sees more connections than the profile's maximum of simultaneous jobs, but that many."""
    addresses = [f"user{n}@example.com" for n in range(9)]
    script = Script(mailboxes={address: mailbox(address, messages=4) for address in addresses})
    script.mailboxes["archiver"] = mailbox("archiver")
    tiny = harness.with_settings(batch_messages=2, slice_bytes=600)
    async with ImapServer(script) as server:
        report = await archive(tiny, server, max_jobs=limit, mailboxes=addresses)

    assert report.run.state == RunState.SUCCEEDED
    assert server.max_connections == limit
    for address in addresses:
        assert source(script.mailboxes[address]) == await harness.exported(address)


async def test_many_mailboxes_cost_the_broker_little(harness: Harness) -> None:
    """A run of 2,000 mailboxes never has more tasks in the broker than the profile's maximum of jobs."""
    addresses = [f"user{n}@example.com" for n in range(2000)]
    depths = []
    async with ImapServer(Script()) as server:  # no login succeeds, so each job ends there
        await submit(harness, server, mailboxes=addresses, max_jobs=20)
        run_id = await start_run(ADMIN, harness.resources, "all")
        for _ in range(15):
            depths.append(len(harness.queue.tasks))
            await harness.work()
            await pump_runs(ADMIN, harness.resources)
        report = await show_run(ADMIN, harness.resources, run_id)

    assert depths == [20] * 15
    assert (report.run.mailboxes.total, report.run.mailboxes.failed) == (2000, 300)


async def test_slices_are_fair_and_exact(harness: Harness) -> None:
    """With tiny slices, mailboxes take turns, so that none waits for another to finish, and each is exact."""
    script = neighbourhood(mailbox("target"))
    tiny = harness.with_settings(batch_messages=1, slice_bytes=1, turn_seconds=0.0)
    order: list[int] = []
    async with ImapServer(script) as server:
        await submit(tiny, server, max_jobs=1)
        run_id = await start_run(ADMIN, tiny.resources, "all")
        while not (await tiny.run(run_id)).state.is_final:
            order += [ids[1] for _, ids in tiny.queue.tasks]
            await tiny.work()
            await pump_runs(ADMIN, tiny.resources)

    rounds = [order[start : start + 4] for start in range(0, 40, 4)]
    assert all(len(set(mailboxes)) == 4 for mailboxes in rounds)
    assert len(order) >= 4 * 18
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)
    await assert_neighbours_exact(harness, script)


async def _answer(value: object) -> object:
    return value
