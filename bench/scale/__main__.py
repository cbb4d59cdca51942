"""`python -m bench.scale`: growth, a fleet of mailboxes, many connections; prints tables, writes JSON and a chart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from bench.machine import describe
from bench.plot import lines
from bench.scale.connections import Held, idle, many
from bench.scale.fleet import fleet
from bench.scale.growth import Point, growth
from bench.scale.laboratory import laboratory
from muniment import log

RESULTS = Path(__file__).parents[1] / "results"

_SIZES = (100_000, 1_000_000, 4_900_000, 10_000_000)
_QUICK_SIZES = (2_000, 4_000, 8_000)


@click.command()
@click.argument("parts", type=click.Choice(["growth", "fleet", "many", "idle"]), nargs=-1)
@click.option("--quick", is_flag=True, help="Little of everything: does it work?")
@click.option("--results", type=click.Path(path_type=Path, file_okay=False), default=RESULTS, help="For JSON and SVG.")
def main(parts: tuple[str, ...], *, quick: bool, results: Path) -> None:
    """Measure PARTS (default: all).

    growth: the cost of a message in an archive of ten million. fleet: 100,000 mailboxes submitted, and the tick over
    their jobs. many: one worker archiving 100 mailboxes concurrently, with messages of 100 MiB. idle: 1,000 idle
    connections.
    """
    log.configure("ERROR")
    measure: dict[str, Callable[..., Any]] = {"growth": _growth, "fleet": _fleet, "many": _many, "idle": _idle}
    found = {part: measure[part](quick=quick) for part in parts or measure}
    results.mkdir(parents=True, exist_ok=True)
    file = results / f"scale-{datetime.now(UTC):%Y-%m-%dT%H%M%S}.json"
    file.write_text(json.dumps({"machine": describe(results), **found}, indent=2))
    click.echo(file)
    if "growth" in found:
        picture = file.with_suffix(".svg")
        picture.write_text(_picture(found["growth"]))
        click.echo(picture)


def _growth(*, quick: bool) -> list[dict[str, Any]]:
    sizes, groups, warm, stores = (_QUICK_SIZES, 3, 2, 5_000) if quick else (_SIZES, 30, 100, 5_000_000)

    async def body() -> list[Point]:
        points = []
        async with laboratory(store_messages=stores) as small, laboratory(store_messages=stores) as large:
            async for point in growth(small, large, sizes, groups, warm):
                points.append(point)
                click.echo(
                    f"growth: {point.rows:>10,} messages in {point.stores} stores: {point.milliseconds:.3f} ms for each"
                    f" new one, {point.ratio:.2f} times that beside {sizes[0]:,} ({point.small_milliseconds:.3f} ms)"
                )
        return points

    return [{**asdict(point), "ratio": point.ratio} for point in asyncio.run(body())]


def _picture(points: Sequence[dict[str, Any]]) -> str:
    shown = {"ratio": "times that of a small archive", "milliseconds": "ms for a new message"}
    series = {text: [(point["rows"], point[name]) for point in points] for name, text in shown.items()}
    return lines(series, "messages in the archive", logarithmic=True)


def _fleet(*, quick: bool) -> dict[str, Any]:
    async def body() -> dict[str, Any]:
        async with laboratory() as resources:
            return asdict(await fleet(resources, 2_000 if quick else 100_000, 5 if quick else 60))

    found = asyncio.run(body())
    click.echo(
        "fleet: {mailboxes:,} mailboxes submitted in {submit_seconds:.1f} s, a run begun in {start_seconds:.1f} s,"
        " memory grown by {grown_mib:.0f} MiB; at most {entries} entries in the broker; a tick takes"
        " {tick_seconds:.3f} s, {longest_tick_seconds:.3f} at most".format(**found)
    )
    return found


def _many(*, quick: bool) -> dict[str, Any]:
    return _told("many", many(5, 1, 10) if quick else many(100, 20, 100))


def _idle(*, quick: bool) -> dict[str, Any]:
    return _told("idle", asyncio.run(idle(20 if quick else 1000)))


def _told(part: str, held: Held) -> dict[str, Any]:
    click.echo(
        f"{part}: {held.connections} connections, {held.before_mib:.0f} MiB before, {held.peak_mib:.0f} at the peak,"
        f" {held.seconds:.0f} s"
    )
    return asdict(held)


if __name__ == "__main__":
    main()
