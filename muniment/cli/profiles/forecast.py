"""`muniment profile run --what-if`: shows what a run would do."""

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
    """Check every mailbox of a profile and print what a run would do; return MAILBOXES_FAILED if one cannot be read."""

    async def gather(principal: Principal, resources: Resources) -> tuple[list[Forecast], float | None]:
        gathered: list[Forecast] = []
        async with aclosing(what_if(principal, resources, name)) as forecasts:
            async for forecast in forecasts:
                gathered.append(forecast)
                if len(gathered) % _EVERY == 0:
                    click.echo(f"{number(len(gathered))} mailboxes checked", err=True)
        pace = await known_pace(principal, resources, name)
        messages, size_ = sum(one.messages for one in gathered), sum(one.bytes for one in gathered)
        return gathered, estimate_seconds(pace, messages, size_)

    forecasts, seconds = call(gather)
    forecasts.sort(key=lambda forecast: (forecast.mailbox, forecast.user))
    if report is not None:
        write_report(report, FORECAST_COLUMNS, map(forecast_row, forecasts))
    if deletions is not None:
        write_report(deletions, _DELETIONS, _to_delete(forecasts))
    if as_json:
        print_json(forecast_shape(forecasts, seconds))
    else:
        _print(forecasts, seconds)
    return ExitCode.MAILBOXES_FAILED if any(one.error for one in forecasts) else ExitCode.OK


def _to_delete(forecasts: Iterable[Forecast]) -> Iterable[tuple[object, ...]]:
    for forecast in forecasts:
        for message in forecast.deletions:
            digest = message.sha256.hex() if message.sha256 else ""
            yield forecast.user, forecast.mailbox, "/".join(message.folder), message.uid, message.size, digest


def _print(forecasts: Sequence[Forecast], seconds: float | None) -> None:
    affected = [one for one in forecasts if one.messages or one.filtered or one.deletions or one.error]
    if affected:
        columns = [
            Column("mailbox"),
            right("new messages"),
            right("size"),
            right("filtered"),
            right("deletions"),
            Column("error"),
        ]
        print_table(columns, [_row(forecast) for forecast in affected[:_SHOWN]])
        if len(affected) > _SHOWN:
            click.echo(f"… and {plural(len(affected) - _SHOWN, 'more mailbox')}; --report FILE lists all")
    messages, renumbered = sum(one.messages for one in forecasts), sum(one.renumbered for one in forecasts)
    share = sum(1 for one in forecasts if one.messages)
    click.echo(
        f"would archive {plural(messages, 'message')}, {size(sum(one.bytes for one in forecasts))}, "
        f"from {number(share)} of {plural(len(forecasts), 'mailbox')}"
    )
    if filtered := sum(one.filtered for one in forecasts):
        click.echo(f"would leave out {plural(filtered, 'message')} by the profile's filter")
    if renumbered:
        click.echo(
            f"{number(renumbered)} of these are in folders with a new UIDVALIDITY; most will be recognised by content"
        )
    if messages:
        estimate = "no time estimate: nothing has been archived yet"
        if seconds is not None:
            estimate = f"would take about {duration(timedelta(seconds=seconds))} at the speed of the last runs"
        click.echo(estimate)
    deletions = sum(len(one.deletions) for one in forecasts)
    kept: Counter[str] = sum((one.kept for one in forecasts), Counter())
    if deletions or kept:
        freed = sum(message.size for one in forecasts for message in one.deletions)
        click.echo(
            f"would delete {plural(deletions, 'message')} on the server, {size(freed)} (--deletions FILE lists them)"
        )
        for reason, count in kept.most_common():
            click.echo(f"would keep {number(count)} on the server: {reason}")
    print_warnings(f"{one.mailbox}: {text}" for one in forecasts[:_SHOWN] for text in one.warnings)
    click.echo("nothing was stored or changed")


def _row(forecast: Forecast) -> tuple[str, ...]:
    if forecast.error:
        return forecast.mailbox, "", "", "", "", forecast.error
    counts = number(forecast.filtered), number(len(forecast.deletions))
    return forecast.mailbox, number(forecast.messages), size(forecast.bytes), *counts, ""
