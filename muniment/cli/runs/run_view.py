"""Formats runs for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from muniment.cli.kit.exit_codes import ExitCode
from muniment.cli.kit.output import (
    Column,
    duration,
    local_minute,
    local_time,
    number,
    plural,
    print_facts,
    print_indented,
    print_warnings,
    right,
    rigid,
    shown,
    size,
)
from muniment.clock import utc_now
from muniment.model.run import Failure, MailboxCounts, Notice, Run, RunState
from muniment.services.runs.lifecycle import RunReport

_COLOURS = {
    RunState.SUCCEEDED: "green",
    RunState.FAILED: "bold red",
    RunState.CANCELLED: "yellow",
    RunState.CANCELLING: "yellow",
    RunState.RUNNING: "cyan",
}
_EXIT_CODES = {RunState.FAILED: ExitCode.MAILBOXES_FAILED, RunState.CANCELLED: ExitCode.CANCELLED}


def exit_code(run: Run) -> ExitCode:
    """Return the exit code of a command that waited for this run."""
    return _EXIT_CODES.get(run.state, ExitCode.OK)


def run_row(run: Run) -> tuple[str | Text, ...]:
    """Return a run as a row of `RUN_COLUMNS`."""
    return (
        str(run.id),
        run.profile,
        state_text(run.state),
        local_minute(run.started),
        duration((run.finished or utc_now()) - run.started),
        f"{number(run.mailboxes.done)}/{number(run.mailboxes.total)}",
        number(run.messages.archived),
        size(run.bytes),
    )


RUN_COLUMNS = (
    right("run"),
    Column("profile"),
    rigid("state"),
    rigid("started"),
    right("duration"),
    right("mailboxes"),
    right("messages"),
    right("size"),
)


def state_text(state: RunState) -> Text:
    """Return a state as coloured text."""
    return Text(state.value, style=_COLOURS[state])


def print_report(report: RunReport, *, out: Console, failures_shown: int | None = None) -> None:
    """Print a run with its failures (all, or the first few), notices and warnings."""
    run = report.run
    print_facts(_facts(run), out=out)
    print_warnings(run.warnings, out=out)
    print_failures(report.failures[:failures_shown], out=out)
    if failures_shown is not None and len(report.failures) > failures_shown:
        more = len(report.failures) - failures_shown
        out.print(Text(f"… and {plural(more, 'more failed mailbox')}; to list all: `muniment run show {run.id}`"))
    _print_notices(report.notices, out=out)


def print_failures(failures: Sequence[Failure], *, out: Console, with_hints: bool = True) -> None:
    """Print failed mailboxes, each with its hint."""
    for failure in failures:
        out.print(Text.assemble(("failed: ", "bold red"), shown(failure.mailbox), ": ", shown(failure.error)))
        if failure.hint and with_hints:
            print_indented(Text(f"hint: {shown(failure.hint)}"), out=out)


def _print_notices(notices: Sequence[Notice], *, out: Console) -> None:
    for notice in notices:
        if notice.error:
            out.print(Text.assemble(("retrying: ", "yellow"), shown(notice.mailbox), ": ", shown(notice.error)))
        print_warnings((f"{notice.mailbox}: {text}" for text in notice.warnings), out=out)


def _facts(run: Run) -> list[tuple[str, str | Text]]:
    span = (run.finished or utc_now()) - run.started
    seconds = max(span.total_seconds(), 0.001)
    speed = f" ({number(round(run.messages.archived / seconds))} messages/s, {size(round(run.bytes / seconds))}/s)"
    return [
        ("run", f"{run.id} of profile {run.profile}"),
        ("state", state_text(run.state)),
        *(
            [("paused", f"until {local_time(run.paused_until)}, when the profile's next time window opens")]
            if run.paused_until
            else []
        ),
        ("started", local_time(run.started) + (" by the schedule" if run.scheduled else "")),
        ("finished", local_time(run.finished)),
        ("duration", duration(span) + (speed if run.messages.archived else "")),
        ("mailboxes", mailboxes_text(run.mailboxes)),
        ("messages", messages_text(run)),
        ("size", f"{size(run.bytes)} archived"),
    ]


def mailboxes_text(counts: MailboxCounts) -> str:
    """Return `9 of 12 done, 1 failed, 2 running`."""
    parts = {"failed": counts.failed, "running": counts.running, "queued": counts.queued, "cancelled": counts.cancelled}
    rest = "".join(f", {number(count)} {name}" for name, count in parts.items() if count)
    return f"{number(counts.done)} of {number(counts.total)} done{rest}"


def messages_text(run: Run) -> str:
    """Return `2,000 seen: 1,200 archived, 800 already known`."""
    messages = run.messages
    quarantined = f", {number(messages.quarantined)} in quarantine" if messages.quarantined else ""
    filtered = f"; {number(messages.filtered)} excluded by the filter" if messages.filtered else ""
    deleted = f"; {number(messages.deleted)} deleted on the server" if messages.deleted else ""
    return (
        f"{number(messages.seen)} seen: {number(messages.archived)} archived, "
        f"{number(messages.known)} already known{quarantined}{filtered}{deleted}"
    )
