from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from muniment.cli.runs import follow
from muniment.model.run import MailboxCounts, RunState
from tests.unit.cli.test_run_view import RUN


class Clock:
    """A clock that tests advance."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Return the time on this clock."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock that the display reads."""
    fake = Clock()
    monkeypatch.setattr(follow, "time", fake)
    return fake


def test_plain_lines_are_printed_at_intervals(clock: Clock) -> None:
    """Without a terminal, a line is printed every few seconds if something changed, and always at the end."""
    file = io.StringIO()
    lines = follow._Lines(Console(file=file, width=1000))
    running = replace(RUN, state=RunState.RUNNING, finished=None)
    for second in range(10):
        done = MailboxCounts(total=10, done=second, failed=0, running=1, queued=9 - second, cancelled=0)
        lines.update(replace(running, mailboxes=done))
        clock.now += 1
    lines.update(RUN)

    assert [line.split(";")[0] for line in file.getvalue().splitlines()] == [
        "run 7 running: mailboxes 0 of 10 done, 1 running, 9 queued",
        "run 7 running: mailboxes 3 of 10 done, 1 running, 6 queued",
        "run 7 running: mailboxes 6 of 10 done, 1 running, 3 queued",
        "run 7 running: mailboxes 9 of 10 done, 1 running",
        "run 7 failed: mailboxes 3 of 5 done, 2 failed",
    ]


def test_a_quiet_run_gives_a_sign_of_life_once_a_minute(clock: Clock) -> None:
    """The log of a long run does not fill with identical lines."""
    file = io.StringIO()
    lines = follow._Lines(Console(file=file, width=1000))
    for _ in range(180):
        lines.update(replace(RUN, state=RunState.RUNNING))
        clock.now += 1

    assert len(file.getvalue().splitlines()) == 3


def test_rate_is_that_of_the_last_seconds(clock: Clock) -> None:
    """The rate of a run that slows down drops, regardless of its earlier speed."""
    rate = follow._Rate()
    count = 0
    for _ in range(60):
        rate.of(count)
        clock.now += 1
        count += 100
    for _ in range(20):
        rate.of(count)
        clock.now += 1
        count += 5

    assert rate.of(count) == pytest.approx(5)
