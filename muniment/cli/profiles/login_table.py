"""Shows the results of login checks: progress, a table of failures, and a CSV report of all results."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path

import click

from muniment.cli.kit.connect import call
from muniment.cli.kit.exit_codes import ExitCode
from muniment.cli.kit.output import Column, number, plural, print_json, print_table, print_warnings, right
from muniment.cli.kit.reports import write_report
from muniment.services.access.principal import Principal
from muniment.services.doctor.check_logins import LoginCheck
from muniment.services.resources import Resources
from muniment.shapes.doctor import CHECK_COLUMNS, check_row, check_shape

_EVERY = 100
_SHOWN = 50


def show_checks(
    check: Callable[[Principal, Resources], AsyncGenerator[LoginCheck, None]],
    *,
    total: int | None,
    report: Path | None,
    as_json: bool,
) -> ExitCode:
    """Check each mailbox, show progress on standard error, print the failures, and write all results to `report`.

    Returns OK, or MAILBOXES_FAILED if a mailbox cannot be archived.
    """

    async def gather(principal: Principal, resources: Resources) -> list[LoginCheck]:
        gathered: list[LoginCheck] = []
        async with aclosing(check(principal, resources)) as checks:
            async for result in checks:
                gathered.append(result)
                if len(gathered) % _EVERY == 0:
                    failed = sum(bool(each.error) for each in gathered)
                    of_all = f" of {number(total)}" if total else ""
                    click.echo(f"{number(len(gathered))}{of_all} mailboxes checked, {number(failed)} failed", err=True)
        return sorted(gathered, key=lambda result: (result.line or 0, result.mailbox))

    checks = call(gather)
    if report is not None:
        write_report(report, CHECK_COLUMNS, map(check_row, checks))
    if as_json:
        print_json([check_shape(result) for result in checks])
    else:
        _print(checks, report)
    return ExitCode.MAILBOXES_FAILED if any(result.error for result in checks) else ExitCode.OK


def _print(checks: list[LoginCheck], report: Path | None) -> None:
    failed = [result for result in checks if result.error]
    if failed:
        columns = [right("line"), Column("mailbox"), Column("error"), Column("what to do")]
        rows = [(str(result.line or ""), result.mailbox, result.error, result.hint) for result in failed]
        print_table(columns, rows)
    messages = sum(result.messages or 0 for result in checks)
    warnings = [f"{result.mailbox}: {text}" for result in checks for text in result.warnings]
    print_warnings(warnings[:_SHOWN])
    if len(warnings) > _SHOWN:
        click.echo(f"… and {plural(len(warnings) - _SHOWN, 'more warning')}; --report FILE lists all")
    click.echo(
        f"{plural(len(checks) - len(failed), 'mailbox')} can be archived ({plural(messages, 'message')}), "
        f"{number(len(failed))} cannot"
    )
    if report is not None:
        click.echo(f"all results are in {report}", err=True)
