"""Facts about the whole fleet for a monitoring system, gathered periodically."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from muniment.db import fleet
from muniment.db.fleet import Capacity, LagBucket, LastRun, MailboxLag, OpenRun
from muniment.services.access.principal import Principal, Right
from muniment.services.operating.show_status import Status, show_status
from muniment.services.resources import Resources

#: The interval of gathering in seconds. A scrape gets the last facts and costs the database nothing.
FACTS_SECONDS = 15.0

#: The pause is at least this many times the duration of gathering (2 s with 100,000 mailboxes), to limit the load on
#: PostgreSQL, and at most this many seconds: an alert treats facts older than two minutes as a failure.
REST = 20.0
LONGEST_REST_SECONDS = 60.0

#: Bounds of the histogram of lags, in seconds: 15 minutes, 1, 6, 12 hours, 1, 2, 7, 30 days.
LAG_BOUNDS = (900.0, 3600.0, 21_600.0, 43_200.0, 86_400.0, 172_800.0, 604_800.0, 2_592_000.0)


@dataclass(frozen=True)
class FleetFacts:
    """The facts at `taken` (Unix time).

    `lags`, `visit_lags`: histograms by `LAG_BOUNDS`, since UIDs were compared and since a run completed a mailbox;
    `longest_lags`: of some mailboxes.
    """

    taken: float
    status: Status
    capacity: Capacity
    open_runs: list[OpenRun]
    last_runs: list[LastRun]
    lags: list[LagBucket]
    visit_lags: list[LagBucket]
    longest_lags: list[MailboxLag]
    never_proven: int


async def watch_fleet(principal: Principal, resources: Resources, publish: Callable[[FleetFacts], None]) -> None:
    """Gather and publish facts until cancelled; DatabaseUnavailable if PostgreSQL cannot be reached."""
    principal.require(Right.PROCESS)
    while True:
        began = time.monotonic()
        publish(await fleet_facts(principal, resources))
        rest = min(REST * (time.monotonic() - began), LONGEST_REST_SECONDS)
        await asyncio.sleep(max(FACTS_SECONDS, rest))


async def fleet_facts(principal: Principal, resources: Resources) -> FleetFacts:
    """Gather the facts once; DatabaseUnavailable if PostgreSQL cannot be reached."""
    principal.require(Right.PROCESS)
    taken = time.time()
    status = await show_status(principal, resources)
    async with resources.database.transaction(snapshot=True) as session:
        return FleetFacts(
            taken=taken,
            status=status,
            capacity=await fleet.capacity(session),
            open_runs=await fleet.open_runs(session),
            last_runs=await fleet.last_runs(session),
            lags=await fleet.lags(session, LAG_BOUNDS),
            visit_lags=await fleet.visit_lags(session, LAG_BOUNDS),
            longest_lags=await fleet.longest_lags(session, resources.settings.metrics_mailboxes),
            never_proven=await fleet.never_proven(session),
        )
