"""`python -m tests.chaos.soak`: run after run over changing mailboxes, to find anything that grows but must not."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import click

from bench.plot import lines
from muniment import log
from tests.chaos.gauges import Gauges, Sample, steady
from tests.chaos.world import World, chaotic_world
from tests.support.proof import assert_exact, assert_settled, begin, finish

RESULTS = Path(__file__).parent / "results"


@click.command()
@click.option("--minutes", type=click.FloatRange(min=0), default=60.0, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--mailboxes", type=click.IntRange(min=2), default=20, show_default=True)
@click.option(
    "--every", type=click.FloatRange(min=0.1), default=15.0, show_default=True, help="Seconds between samples."
)
@click.option("--results", type=click.Path(path_type=Path, file_okay=False), default=RESULTS, help="For JSON and SVG.")
def main(minutes: float, seed: int, mailboxes: int, every: float, results: Path) -> None:
    """Archive mailboxes with arrivals, moves, deletions and new UIDVALIDITYs in a loop; then judge the gauges.

    Exits with code 1 if something grew. The archive must be exact at the end.
    """
    log.configure("ERROR")
    results.mkdir(parents=True, exist_ok=True)
    asyncio.run(_soak(minutes * 60, seed, mailboxes, every, results / f"soak-{seed}.json"))


async def _soak(seconds: float, seed: int, mailboxes: int, every: float, file: Path) -> None:
    async with chaotic_world(seed, mailboxes=mailboxes, disk_mebibytes=None) as (world, resources):
        gauges = Gauges(world.system, resources)
        sampling = asyncio.create_task(gauges.sample(every))
        try:
            began, runs = time.monotonic(), 0
            while time.monotonic() - began < seconds or runs < 3:
                await asyncio.to_thread(_change, world, runs)
                for run_id in [await begin(resources, name) for name in ("plain", "tls")]:
                    await finish(resources, run_id)
                    runs += 1
        finally:
            sampling.cancel()
            await asyncio.wait({sampling})
            grows = await asyncio.to_thread(_judge, gauges.samples, file)
        await assert_settled(resources)
        await assert_exact(resources, world.source, folded=True)
        click.echo(f"{runs} runs, {world.source.messages} messages archived exactly")
    if grows:
        sys.exit(1)


def _judge(samples: list[Sample], file: Path) -> bool:
    """Print the verdicts, write samples and chart, and return whether something grew."""
    verdicts = steady(samples)
    for verdict in verdicts:
        click.echo(f"{'grows' if verdict.grows else 'flat ':5} {verdict}")
    file.write_text(json.dumps([vars(sample) for sample in samples], indent=1))
    file.with_suffix(".svg").write_text(_picture(samples))
    click.echo(f"{file}\n{file.with_suffix('.svg')}")
    return any(verdict.grows for verdict in verdicts)


def _change(world: World, number: int) -> None:
    """Move, delete and add mail; sometimes give a folder a new UIDVALIDITY."""
    world.source.stir(moves=1, deletions=1)  # first: mail that arrives and leaves between two runs cannot be archived
    world.source.grow(2)
    if number % 5 == 0:
        world.source.renumber()


def _picture(samples: list[Sample]) -> str:
    names = sorted({name for sample in samples for name in sample.values})
    series = {name: [(s.minutes, s.values[name]) for s in samples if name in s.values] for name in names}
    return lines(series, "minutes")


if __name__ == "__main__":
    main()
