"""How the logins of many mailboxes went: progress, a table of what failed, a CSV file of everything."""

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
    """Look at each mailbox, tell how far it is on standard error, print what failed, and write everything into `report`.

    Returns OK, or MAILBOXES_FAILED when one cannot be archived.
    """

    async def gather(principal: Principal, resources: Resources) -> list[LoginCheck]:
        found: list[LoginCheck] = []
        async with aclosing(check(principal, resources)) as checks:
            async for one in checks:
                found.append(one)
                if len(found) % _EVERY == 0:
                    failed = sum(bool(each.error) for each in found)
                    of_all = f" of {number(total)}" if total else ""
                    click.echo(f"{number(len(found))}{of_all} mailboxes checked, {number(failed)} failed", err=True)
        return sorted(found, key=lambda one: (one.line or 0, one.mailbox))

    checks = call(gather)
    if report is not None:
        write_report(report, CHECK_COLUMNS, (check_row(one) for one in checks))
    if as_json:
        print_json([check_shape(one) for one in checks])
    else:
        _print(checks, report)
    return ExitCode.MAILBOXES_FAILED if any(one.error for one in checks) else ExitCode.OK


def _print(checks: list[LoginCheck], report: Path | None) -> None:
    failed = [one for one in checks if one.error]
    if failed:
        columns = [right("line"), Column("mailbox"), Column("error"), Column("what to do")]
        rows = [(str(one.line or ""), one.mailbox, one.error, one.hint) for one in failed]
        print_table(columns, rows)
    messages = sum(one.messages or 0 for one in checks)
    told = [f"{one.mailbox}: {text}" for one in checks for text in one.warnings]
    print_warnings(told[:_SHOWN])
    if len(told) > _SHOWN:
        click.echo(f"… and {number(len(told) - _SHOWN)} more warnings: --report FILE has all")
    click.echo(
        f"{plural(len(checks) - len(failed), 'mailbox')} can be archived ({plural(messages, 'message')}), "
        f"{number(len(failed))} cannot"
    )
    if report is not None:
        click.echo(f"all results are in {report}", err=True)
