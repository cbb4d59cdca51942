"""Schedules: profiles that start on their own, and windows outside of which runs pause."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from muniment.model.profile import Profile
from muniment.model.run import Run, RunState
from muniment.model.schedule import Schedule
from muniment.services.archiving.run_slice import SliceEnd
from muniment.services.mailboxes import run_access
from muniment.services.profiles.submit_profile import list_profiles
from muniment.services.runs.lifecycle import list_runs, start_due_runs, start_run
from muniment.services.runs.tick import pump_runs
from tests.support.harness import Harness
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import TARGET, mailbox, neighbourhood, proven, source, submit

_DAILY = Schedule(run="daily 22:00")


async def _profile(harness: Harness) -> Profile:
    [summary] = await list_profiles(ADMIN, harness.resources)
    return summary.profile


async def _is_due(harness: Harness, *, hours: int = 0) -> None:
    """Make the profile overdue by `hours` hours."""
    async with harness.database.session() as session:
        await session.execute("UPDATE profiles SET due = now() - make_interval(hours => $1)", hours)


async def _runs(harness: Harness) -> list[Run]:
    return await list_runs(ADMIN, harness.resources, 100)


def _closed() -> Schedule:
    """Return a schedule whose only window has just closed."""
    now = datetime.now(UTC)
    begin, end = now - timedelta(hours=2), now - timedelta(hours=1)
    return Schedule(run="daily 22:00", windows=(f"{begin:%H:%M}-{end:%H:%M}",))


async def _open(harness: Harness) -> None:
    """Remove the profile's windows."""
    async with harness.database.session() as session:
        await session.execute("UPDATE profiles SET schedule = schedule - 'windows'")


async def test_a_missed_time_is_made_up_for_once(harness: Harness) -> None:
    """Three days late and with two schedulers, a profile runs once, and next at its next time."""
    async with ImapServer(neighbourhood(mailbox("target"), ())) as server:
        await submit(harness, server, schedule=_DAILY)
        first_due = (await _profile(harness)).due
        await start_due_runs(ADMIN, harness.resources)
        assert not await _runs(harness)

        await _is_due(harness, hours=72)
        await asyncio.gather(*(start_due_runs(ADMIN, harness.resources) for _ in range(4)))
        [run] = await _runs(harness)
        await harness.finish(run.id)
        await start_due_runs(ADMIN, harness.resources)

    assert await proven(harness)
    [run] = await _runs(harness)
    assert run.scheduled
    assert run.state == RunState.SUCCEEDED
    assert first_due == (await _profile(harness)).due == _DAILY.after(datetime.now(UTC))


async def test_no_overlapping_runs(harness: Harness) -> None:
    """A profile that becomes due while it runs starts again only after that run."""
    async with ImapServer(neighbourhood(mailbox("target"), ())) as server:
        await submit(harness, server, schedule=_DAILY)
        run_id = await start_run(ADMIN, harness.resources, "all")
        await _is_due(harness)
        await start_due_runs(ADMIN, harness.resources)
        assert len(await _runs(harness)) == 1
        await harness.finish(run_id)
        await start_due_runs(ADMIN, harness.resources)
        second, _ = await _runs(harness)
        report = await harness.finish(second.id)

    assert second.scheduled
    assert report.run.state == RunState.SUCCEEDED


async def test_what_cannot_run_is_seen(harness: Harness) -> None:
    """A profile that cannot start, here for want of users, shows a warning and is retried later."""
    async with ImapServer(neighbourhood(mailbox("target"), ())) as server:
        await submit(harness, server, schedule=_DAILY, mailboxes=None)
        await _is_due(harness)
        await start_due_runs(ADMIN, harness.resources)

    profile = await _profile(harness)
    assert not await _runs(harness)
    assert "no mailbox to archive" in profile.warnings[-1]
    assert profile.due == _DAILY.after(datetime.now(UTC))


async def test_a_run_waits_for_its_window(harness: Harness) -> None:
    """Outside its window, a run started by hand pauses and shows until when; a scheduled one does not start."""
    script = neighbourhood(mailbox("target"), ())
    async with ImapServer(script) as server:
        await submit(harness, server, schedule=_closed())
        await _is_due(harness)
        await start_due_runs(ADMIN, harness.resources)
        assert not await _runs(harness)
        run_id = await start_run(ADMIN, harness.resources, "all")
        await pump_runs(ADMIN, harness.resources)
        waiting = await harness.run(run_id)
        assert not harness.queue.tasks
        assert not server.lines

        await _open(harness)
        await harness.finish(run_id)

    assert waiting.paused_until is not None
    assert waiting.paused_until == _closed().opens(datetime.now(UTC))
    assert (await harness.run(run_id)).paused_until is None
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)


async def test_at_any_time(harness: Harness) -> None:
    """A run started for any time ignores the windows."""
    async with ImapServer(neighbourhood(mailbox("target"), ())) as server:
        await submit(harness, server, schedule=_closed())
        run_id = await start_run(ADMIN, harness.resources, "all", any_time=True)
        report = await harness.finish(run_id)

    assert report.run.state == RunState.SUCCEEDED
    assert await proven(harness)


async def test_a_window_closes_in_the_middle(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the window closes, the slice ends at its next boundary and nothing else starts; later the run continues."""
    script = neighbourhood(mailbox("target", messages=120), ["anna@example.com", "ben@example.com"])
    begin = datetime.now(UTC) - timedelta(hours=1)
    schedule = Schedule(windows=(f"{begin:%H:%M}-{begin + timedelta(hours=2):%H:%M}",))
    closes = schedule.closes(datetime.now(UTC))
    assert closes is not None
    moments = iter([closes - timedelta(microseconds=1)])  # when the slice begins; from then on it is late

    async with ImapServer(script) as server:
        await submit(harness, server, schedule=schedule, max_jobs=1)
        run_id = await start_run(ADMIN, harness.resources, "all")
        with monkeypatch.context() as patch:
            patch.setattr(run_access, "utc_now", lambda: next(moments, closes))
            ends = await harness.work()
        some = (await harness.run(run_id)).messages.archived
        report = await harness.finish(run_id)

    assert ends == [SliceEnd.MORE]
    assert some == 50
    assert report.run.state == RunState.SUCCEEDED
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)
