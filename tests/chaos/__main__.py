"""`python -m tests.chaos`: break everything for a while; prints what was broken and what survived."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import SystemRandom

import click

from muniment import log
from tests.chaos import report
from tests.chaos.faults import EVERYTHING
from tests.chaos.storm import Plan, Toll, survive
from tests.chaos.world import chaotic_world

RESULTS = Path(__file__).parent / "results"
NAMES = [fault.name for fault in EVERYTHING]


@click.command()
@click.option("--minutes", type=click.FloatRange(min=0), default=30.0, show_default=True, help="How long, at least.")
@click.option("--times", type=click.IntRange(min=1), default=1, show_default=True, help="How often each, at least.")
@click.option("--seed", type=int, help="The same faults in the same order. Default: another one each time.")
@click.option("--only", type=click.Choice(NAMES), multiple=True, help="These faults. Default: all.")
@click.option("--mailboxes", type=click.IntRange(min=2), default=12, show_default=True)
@click.option(
    "--messages", type=click.IntRange(min=1), default=15, show_default=True, help="New ones, a mailbox and run."
)
@click.option("--results", type=click.Path(path_type=Path, file_okay=False), default=RESULTS, help="For the JSON file.")
def main(
    minutes: float,
    times: int,
    seed: int | None,
    only: tuple[str, ...],
    mailboxes: int,
    messages: int,
    results: Path,
) -> None:
    """Break processes, servers, connections, disk and clocks during runs; the archive must be exact after each run."""
    log.configure("ERROR")
    toll = Toll(SystemRandom().randrange(10**6) if seed is None else seed)
    click.echo(f"seed {toll.seed}")
    faults = [fault for fault in EVERYTHING if not only or fault.name in only]
    plan = Plan(faults, minutes * 60, times, messages=messages)

    async def body() -> None:
        async with chaotic_world(toll.seed, mailboxes=mailboxes) as (world, resources):
            await survive(world, resources, plan, toll, click.echo)

    failure: Exception | None = None
    try:
        asyncio.run(body())
    except Exception as error:
        failure = error
    click.echo(report.table(toll))
    click.echo(report.save(toll, results))
    if failure is not None:
        click.echo(f"NOT SURVIVED with seed {toll.seed}, after {toll.trail[-3:]}: {failure}", err=True)
        raise failure


if __name__ == "__main__":
    main()
