"""Schedules: when a profile is due, and when its runs may proceed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.errors import Misconfigured
from muniment.model.schedule import Schedule

FRIDAY = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("run", "zone", "due"),
    [
        ("once 2026-12-01 22:00", "Europe/Berlin", "2026-12-01T21:00"),
        ("once 2025-12-01 22:00", "UTC", None),
        ("every 15 minutes", "UTC", "2026-11-27T12:15"),
        ("daily 13:30", "Europe/Berlin", "2026-11-27T12:30"),
        ("daily 12:00", "UTC", "2026-11-28T12:00"),
        ("weekly mon,thu 02:00", "America/New_York", "2026-11-30T07:00"),
        ("monthly 31 08:00", "UTC", "2026-12-31T08:00"),
        ("monthly last 08:00", "UTC", "2026-11-30T08:00"),
        ("cron 0 22 * * 1-5", "UTC", "2026-11-27T22:00"),
        ("", "UTC", None),
    ],
)
def test_due(run: str, zone: str, due: str | None) -> None:
    """Every form of schedule is evaluated in its time zone."""
    next_run = Schedule(run=run, zone=zone).after(FRIDAY)

    assert next_run == (None if due is None else datetime.fromisoformat(due).replace(tzinfo=UTC))


def test_a_day_with_a_missing_hour() -> None:
    """In the night when clocks skip from 2:00 to 3:00, a run scheduled for 2:30 is not skipped."""
    next_run = Schedule(run="daily 02:30", zone="Europe/Berlin").after(datetime(2026, 3, 28, 12, tzinfo=UTC))

    assert next_run is not None
    assert next_run.date().isoformat() == "2026-03-29"


@pytest.mark.parametrize(
    "run", ["tomorrow", "daily 24:00", "every 0 minutes", "cron * * * *", "cron 0 0 31 2 *", "once 2026-13-01 10:00",
            "weekly someday 10:00", "monthly 32 10:00"],
)  # fmt: skip
def test_no_schedules(run: str) -> None:
    """A schedule that is invalid or never due is refused with examples."""
    with pytest.raises(Misconfigured) as caught:
        Schedule(run=run)
    assert "daily 22:00" in caught.value.hint


@pytest.mark.parametrize("window", ["", "20-6", "20:00-20:00", "25:00-26:00", "xyz 10:00-11:00", "24:00-06:00"])
def test_no_windows(window: str) -> None:
    """An invalid time window is refused with examples."""
    with pytest.raises(Misconfigured) as caught:
        Schedule(windows=(window,))
    assert "20:00-06:00" in caught.value.hint


def test_no_zone() -> None:
    """An unknown time zone is refused."""
    with pytest.raises(Misconfigured, match="unknown time zone"):
        Schedule(run="daily 10:00", zone="Europe/Atlantis")


def test_windows_join() -> None:
    """Nights plus the weekend: a window that is open on Friday evening closes on Monday morning."""
    schedule = Schedule(windows=("20:00-06:00", "sat-sun 00:00-24:00"))
    assert not schedule.is_open(FRIDAY)
    assert schedule.opens(FRIDAY) == FRIDAY.replace(hour=20)
    evening = FRIDAY.replace(hour=23)
    assert schedule.is_open(evening)
    assert schedule.closes(evening) == datetime(2026, 11, 30, 6, tzinfo=UTC)
    assert Schedule().closes(evening) is None


@given(
    windows=st.lists(
        st.tuples(st.integers(0, 23), st.integers(0, 59), st.integers(0, 23), st.integers(0, 59)).filter(
            lambda clocks: clocks[:2] != clocks[2:]
        ),
        min_size=1,
        max_size=3,
    ),
    minutes=st.integers(0, 60 * 24 * 14),
)
def test_windows_are_consistent(windows: list[tuple[int, int, int, int]], minutes: int) -> None:
    """`closes` and `opens` agree with `is_open` for every minute until the next change."""
    texts = tuple("{:02}:{:02}-{:02}:{:02}".format(*window) for window in windows)
    schedule = Schedule(windows=texts, zone="Asia/Kolkata")
    moment = FRIDAY + timedelta(minutes=minutes)
    is_open = schedule.is_open(moment)
    change = schedule.closes(moment) if is_open else schedule.opens(moment)
    if change is None:
        assert is_open
        return
    assert schedule.is_open(change) is not is_open
    at = moment
    while at < change:
        assert schedule.is_open(at) is is_open
        at += timedelta(minutes=7)
    assert schedule.is_open(change - timedelta(minutes=1)) is is_open
