"""The storm of `make chaos` for a few minutes: whatever breaks, every run ends well and the archive is exact."""

from __future__ import annotations

import os

import click
import pytest

from tests.chaos import report
from tests.chaos.faults import EVERYTHING, KILLS, Fault
from tests.chaos.storm import Plan, Toll, survive
from tests.chaos.world import chaotic_world

#: The environment can override it.
SEED = int(os.environ.get("CHAOS_SEED", "20261"))


async def rage(plan: Plan) -> Toll:
    toll = Toll(SEED)
    try:
        async with chaotic_world(SEED, mailboxes=8) as (world, resources):
            await survive(world, resources, plan, toll, click.echo)
    finally:
        click.echo(report.table(toll))
    return toll


def assert_struck(toll: Toll, faults: tuple[Fault, ...], times: int) -> None:
    wanted = [fault.name for fault in faults if fault.name not in toll.skipped]
    assert all(toll.faults[name] >= times for name in wanted)
    assert len(wanted) >= len(faults) - 3, toll.skipped  # these need a compiler, and permission to mount
    assert toll.messages > 0
    assert toll.at_rest < toll.faults.total() / 2, "most of the time there was nothing at risk"


@pytest.mark.proof
@pytest.mark.timeout(1800)
async def test_everything_breaks_once_and_nothing_is_lost() -> None:
    """Every kind of fault occurs, up to three at a time, during runs that archive growing and changing mailboxes."""
    toll = await rage(Plan(EVERYTHING, strikes=2, messages=60))

    assert_struck(toll, EVERYTHING, 1)


@pytest.mark.proof
@pytest.mark.timeout(1800)
async def test_killing_everything_again_and_again_loses_nothing() -> None:
    """Each process is killed several times at random moments of runs."""
    toll = await rage(Plan(KILLS, times=2, strikes=3, messages=60))

    assert sum(toll.faults[fault.name] for fault in KILLS) >= 2 * len(KILLS)
