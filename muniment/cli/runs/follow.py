"""Follows a run until it ends: a progress bar on a terminal, plain lines elsewhere; all on standard error."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

from muniment.cli.kit.connect import operator, quiet, settings
from muniment.cli.kit.exit_codes import ExitCode
from muniment.cli.kit.output import console, number, plural, size
from muniment.cli.runs.run_view import exit_code, mailboxes_text, print_report
from muniment.errors import Transient
from muniment.model.run import Run
from muniment.resources import open_database_only
from muniment.services.access.principal import Principal
from muniment.services.resources import Resources
from muniment.services.runs.lifecycle import RunReport, show_run

_POLL_SECONDS = 0.5
_LINE_SECONDS = 3.0  # between two plain lines if something changed
_SIGN_OF_LIFE_SECONDS = 60.0  # between two plain lines if nothing changed
_PATIENCE_SECONDS = 300.0  # a longer database outage ends this command, but not the run
_RATE_SECONDS = 10.0
_FAILURES_SHOWN = 20


def follow(run_id: int) -> ExitCode:
    """Show a run's progress until it ends, then its summary; return the matching exit code.

    Ctrl-C ends only the display, not the run, and a message says so.
    """
    report = watch(run_id)
    if report is None:
        return ExitCode.INTERRUPTED
    print_report(report, out=console(sys.stderr), failures_shown=_FAILURES_SHOWN)
    return exit_code(report.run)


def watch(run_id: int, *, results: bool = False) -> RunReport | None:
    """Show a run's progress until it ends and return its report, if wanted by mailbox; None after Ctrl-C."""
    try:
        return asyncio.run(_watch(run_id, results=results))
    except KeyboardInterrupt:
        click.echo(
            f"\nrun {run_id} continues in the background; to watch it: `muniment run show {run_id} --follow`; "
            f"to stop it: `muniment run cancel {run_id}`",
            err=True,
        )
        return None


class _Display(Protocol):
    def update(self, run: Run) -> None: ...


async def _watch(run_id: int, *, results: bool) -> RunReport:
    out = console(sys.stderr)
    principal = operator()
    async with open_database_only(quiet(settings())) as resources:
        report = await show_run(principal, resources, run_id, most=0)
        with _display(out) as display:
            while True:
                display.update(report.run)
                if report.run.state.is_final:
                    return await _patiently(principal, resources, run_id, out, most=None, results=results)
                await asyncio.sleep(_POLL_SECONDS)
                # Not the failures on every poll: there may be 100,000. The report at the end names them.
                report = await _patiently(principal, resources, run_id, out, most=0)


async def _patiently(
    principal: Principal, resources: Resources, run_id: int, out: Console, *, most: int | None, results: bool = False
) -> RunReport:
    """Fetch the run; retry for a while if the database is unavailable, because it may be restarting."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    announced = False
    while True:
        try:
            return await show_run(principal, resources, run_id, most=most, results=results)
        except Transient as error:
            if time.monotonic() > deadline:
                raise
            if not announced:
                out.print(f"waiting: {error}")
                announced = True
        await asyncio.sleep(_POLL_SECONDS)


@contextmanager
def _display(out: Console) -> Iterator[_Display]:
    if not out.is_terminal:
        yield _Lines(out)
        return
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TextColumn("{task.fields[numbers]}"),
        console=out,
        expand=True,
        transient=True,
    )
    with progress:
        yield _Bar(progress)


class _Bar:
    """A single line that is redrawn on every update."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None, numbers="")
        self._rate = _Rate()

    def update(self, run: Run) -> None:
        counts = run.mailboxes
        failed = f", {number(counts.failed)} failed" if counts.failed else ""
        self._progress.update(
            self._task,
            description=f"run {run.id}",
            completed=counts.done + counts.failed + counts.cancelled,
            total=counts.total,
            numbers=f"{number(counts.done)}/{number(counts.total)} mailboxes{failed} · {_numbers(run, self._rate)}",
        )


class _Lines:
    """Plain lines at intervals."""

    def __init__(self, out: Console) -> None:
        self._out = out
        self._rate = _Rate()
        self._last: Run | None = None
        self._printed = 0.0

    def update(self, run: Run) -> None:
        numbers = _numbers(run, self._rate)
        waited = time.monotonic() - self._printed
        due = waited >= (_LINE_SECONDS if run != self._last else _SIGN_OF_LIFE_SECONDS)
        if due or (run.state.is_final and run != self._last):
            self._out.print(f"run {run.id} {run.state}: mailboxes {mailboxes_text(run.mailboxes)}; {numbers}")
            self._printed, self._last = time.monotonic(), run


def _numbers(run: Run, rate: _Rate) -> str:
    per_second = rate.of(run.messages.archived + run.messages.known)
    return f"{plural(run.messages.seen, 'new message')} · {size(run.bytes)} · {number(round(per_second))} msg/s"


class _Rate:
    """Messages per second, averaged over the last `_RATE_SECONDS`."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def of(self, count: int) -> float:
        now = time.monotonic()
        self._samples.append((now, count))
        while now - self._samples[0][0] > _RATE_SECONDS:
            self._samples.popleft()
        since, before = self._samples[0]
        return (count - before) / (now - since) if now > since else 0.0
