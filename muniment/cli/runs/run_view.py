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
    print_table,
    print_warnings,
    right,
    rigid,
    shown,
    size,
)
from muniment.clock import utc_now
from muniment.model.run import Failure, JobState, MailboxCounts, MailboxResult, Notice, Run, RunState
from muniment.services.runs.lifecycle import RunReport

#: How many mailboxes `run show` lists.
_MAILBOXES_SHOWN = 50

_COLOURS = {
    RunState.SUCCEEDED: "green",
    RunState.INCOMPLETE: "bold yellow",
    RunState.FAILED: "bold red",
    RunState.CANCELLED: "yellow",
    RunState.CANCELLING: "yellow",
    RunState.RUNNING: "cyan",
}
_EXIT_CODES = {
    RunState.INCOMPLETE: ExitCode.INCOMPLETE,
    RunState.FAILED: ExitCode.MAILBOXES_FAILED,
    RunState.CANCELLED: ExitCode.CANCELLED,
}


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
    if report.results:
        print_results(report.results, out=out, most=_MAILBOXES_SHOWN)


def print_failures(failures: Sequence[Failure], *, out: Console) -> None:
    """Print failed mailboxes, each with its hint."""
    for failure in failures:
        out.print(Text.assemble(("failed: ", "bold red"), shown(failure.mailbox), ": ", shown(failure.error)))
        if failure.hint:
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
    """Return `2,000 on the server, 1,998 proven, 2 missing; 1,200 archived now, 798 known before`.

    Before any mailbox is done, it is not known what the server has: `2,000 seen: 1,200 archived, 800 already known`.
    """
    messages, held = run.messages, run.messages.held
    filtered = f"; {number(messages.filtered)} excluded by the filter" if messages.filtered and held is None else ""
    deleted = f"; {number(messages.deleted)} deleted on the server" if messages.deleted else ""
    if held is None:
        quarantined = f", {number(messages.quarantined)} in quarantine" if messages.quarantined else ""
        return (
            f"{number(messages.seen)} seen: {number(messages.archived)} archived, "
            f"{number(messages.known)} already known{quarantined}{filtered}{deleted}"
        )
    counts = {"missing": held.missing, "accepted as missing": held.accepted, "left out": held.left_out}
    rest = "".join(f", {number(count)} {what}" for what, count in counts.items() if count)
    part = "" if run.mailboxes.done == run.mailboxes.total else f" in {plural(run.mailboxes.done, 'mailbox')}"
    before = max(0, held.proven - messages.archived)
    return (
        f"{number(held.on_server)} on the server{part}, {number(held.proven)} proven{rest}; "
        f"{number(messages.archived)} archived now, {number(before)} known before{deleted}"
    )


def print_results(results: Sequence[MailboxResult], *, out: Console, most: int) -> None:
    """Print what a run did with each mailbox: those that need attention first, at most `most`."""
    columns = ["on server", "proven", "archived", "known before", "missing", "left out"]
    ordered = sorted(results, key=lambda result: not _needs_attention(result))
    rows = [_result_row(result) for result in ordered[:most]]
    out.print()
    print_table([Column("mailbox"), rigid("state"), *map(right, columns)], rows, out=out)
    if len(results) > most:
        out.print(Text(f"… and {plural(len(results) - most, 'more mailbox')}; --json lists all"))


def _needs_attention(result: MailboxResult) -> bool:
    held = result.counts.held
    return result.state is not JobState.DONE or held is None or held.missing > 0


def _result_row(result: MailboxResult) -> tuple[str, ...]:
    counts, held = result.counts, result.counts.held
    if held is None:
        return result.mailbox, result.state.value, "", "", number(counts.archived), "", "", ""
    state = "incomplete" if held.missing else result.state.value
    missing = number(held.missing) + (f" + {number(held.accepted)} accepted" if held.accepted else "")
    numbers = (held.on_server, held.proven, counts.archived, max(0, held.proven - counts.archived))
    return result.mailbox, state, *map(number, numbers), missing, number(held.left_out)
