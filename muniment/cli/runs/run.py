"""`muniment run`: executions of profiles."""

from __future__ import annotations

import click

from muniment.cli.kit.connect import call, call_with_database_only
from muniment.cli.kit.exit_codes import ExitCode
from muniment.cli.kit.names import LIMIT, RUN_ID, IdCommand
from muniment.cli.kit.output import console, print_json, print_table, print_warnings
from muniment.cli.runs.follow import watch
from muniment.cli.runs.run_view import (
    RUN_COLUMNS,
    exit_code,
    mailboxes_text,
    print_report,
    run_row,
)
from muniment.services.runs.lifecycle import cancel_run, list_runs, show_run
from muniment.shapes.runs import report_shape, run_shape


@click.group()
def run() -> None:
    """Show and cancel runs. A run executes a profile, with one job per mailbox."""


@run.command("list")
@click.option(
    "--limit",
    type=LIMIT,
    metavar="N",
    default=20,
    show_default=True,
    help="Show the newest N runs.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(limit: int, as_json: bool) -> None:
    """List the newest runs, newest first."""
    runs = call_with_database_only(list_runs, limit)
    if as_json:
        print_json([run_shape(found) for found in runs])
    elif runs:
        print_table(RUN_COLUMNS, [run_row(found) for found in runs])
        print_warnings(dict.fromkeys(f"{found.profile} {text}" for found in runs for text in found.warnings))
    else:
        click.echo("no runs yet: `muniment profile run NAME` starts one")


@run.command("show", cls=IdCommand)
@click.argument("run_id", metavar="ID", type=RUN_ID)
@click.option("--follow", is_flag=True, help="Show progress until the run ends; the exit code then reports the result.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(run_id: int, follow: bool, as_json: bool) -> ExitCode:
    """Show the counts of the run ID, as a whole and by mailbox.

    Each failed mailbox is listed with the error and a hint on how to fix it.
    """
    report = watch(run_id, results=True) if follow else call_with_database_only(show_run, run_id, results=True)
    if report is None:
        return ExitCode.INTERRUPTED
    if as_json:
        print_json(report_shape(report))
    else:
        print_report(report, out=console())
    return exit_code(report.run) if follow else ExitCode.OK


@run.command("cancel", cls=IdCommand)
@click.argument("run_id", metavar="ID", type=RUN_ID)
def cancel(run_id: int) -> None:
    """Cancel the run ID. Messages archived so far are kept; the next run continues from there."""
    found = call(cancel_run, run_id)
    click.echo(f"run {found.id} of {found.profile}: {found.state} ({mailboxes_text(found.mailboxes)})")
