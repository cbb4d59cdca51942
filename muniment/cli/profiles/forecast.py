"""What a run would do, as people and programs see it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path

import click

from muniment.cli.kit.connect import call
from muniment.cli.kit.exit_codes import ExitCode
from muniment.cli.kit.output import (
    Column,
    duration,
    number,
    plural,
    print_json,
    print_table,
    print_warnings,
    right,
    size,
)
from muniment.cli.kit.reports import write_report
from muniment.services.access.principal import Principal
from muniment.services.doctor.what_if import Forecast, estimate_seconds, known_pace, what_if
from muniment.services.resources import Resources
from muniment.shapes.doctor import FORECAST_COLUMNS, forecast_row, forecast_shape

_SHOWN = 50
_EVERY = 100
_DELETIONS = ("user", "mailbox", "folder", "uid", "size", "sha256")


def show_forecast(name: str, *, report: Path | None, deletions: Path | None, as_json: bool) -> ExitCode:
    """Look into every mailbox of a profile and print what a run would do; MAILBOXES_FAILED when one could not be seen."""

    async def gather(principal: Principal, resources: Resources) -> tuple[list[Forecast], float | None]:
        found: list[Forecast] = []
        async with aclosing(what_if(principal, resources, name)) as forecasts:
            async for one in forecasts:
                found.append(one)
                if len(found) % _EVERY == 0:
                    click.echo(f"{number(len(found))} mailboxes looked into", err=True)
        pace = await known_pace(principal, resources, name)
        return found, estimate_seconds(pace, sum(one.messages for one in found), sum(one.bytes for one in found))

    forecasts, seconds = call(gather)
    forecasts.sort(key=lambda one: (one.mailbox, one.user))
    if report is not None:
        write_report(report, FORECAST_COLUMNS, (forecast_row(one) for one in forecasts))
    if deletions is not None:
        write_report(deletions, _DELETIONS, _to_delete(forecasts))
    if as_json:
        print_json(forecast_shape(forecasts, seconds))
    else:
        _print(forecasts, seconds)
    return ExitCode.MAILBOXES_FAILED if any(one.error for one in forecasts) else ExitCode.OK


def _to_delete(forecasts: Iterable[Forecast]) -> Iterable[tuple[object, ...]]:
    for one in forecasts:
        for message in one.deletions:
            digest = message.sha256.hex() if message.sha256 else ""
            yield one.user, one.mailbox, "/".join(message.folder), message.uid, message.size, digest


def _print(forecasts: Sequence[Forecast], seconds: float | None) -> None:
    told = [one for one in forecasts if one.messages or one.deletions or one.error]
    if told:
        columns = [
            Column("mailbox"),
            right("new messages"),
            right("size"),
            right("left out"),
            right("deletions"),
            Column("error"),
        ]
        print_table(columns, [_row(one) for one in told[:_SHOWN]])
        if len(told) > _SHOWN:
            click.echo(f"… and {plural(len(told) - _SHOWN, 'mailbox')} more: --report FILE has all")
    messages, renumbered = sum(one.messages for one in forecasts), sum(one.renumbered for one in forecasts)
    share = sum(1 for one in forecasts if one.messages)
    click.echo(
        f"would archive {plural(messages, 'message')}, {size(sum(one.bytes for one in forecasts))}, "
        f"of {number(share)} of {plural(len(forecasts), 'mailbox')}"
    )
    if renumbered:
        click.echo(
            f"of them {number(renumbered)} in folders with a new UIDVALIDITY: most will be recognised by content"
        )
    if messages:
        told_time = "no estimate of the time: nothing was archived yet"
        if seconds is not None:
            told_time = f"would take about {duration(timedelta(seconds=seconds))} at the pace of the last runs"
        click.echo(told_time)
    deletions = sum(len(one.deletions) for one in forecasts)
    kept: Counter[str] = sum((one.kept for one in forecasts), Counter())
    if deletions or kept:
        freed = sum(message.size for one in forecasts for message in one.deletions)
        click.echo(
            f"would delete {plural(deletions, 'message')} on the server, {size(freed)} (--deletions FILE lists them)"
        )
        for reason, count in kept.most_common():
            click.echo(f"would keep {number(count)} there: {reason}")
    print_warnings(f"{one.mailbox}: {text}" for one in forecasts[:_SHOWN] for text in one.warnings)
    click.echo("nothing was stored, nothing was changed")


def _row(one: Forecast) -> tuple[str, ...]:
    if one.error:
        return one.mailbox, "", "", "", "", one.error
    return one.mailbox, number(one.messages), size(one.bytes), number(one.filtered), number(len(one.deletions)), ""
