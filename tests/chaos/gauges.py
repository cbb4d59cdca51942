"""A system's use of its machine, sampled during operation, and whether it stays level."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import linear_regression, mean

import psutil

from muniment.errors import Transient
from muniment.services.resources import Resources
from tests.support.system import Role, System

#: Growth during the judged time, as a share of the level, that still counts as flat; memory takes long to settle.
_TOLERATED = 0.10
#: Below these levels, shares are meaningless (MiB, descriptors, connections, dead rows, KiB).
_FLOORS = {"MiB": 8.0, "files": 4.0, "connections": 3.0, "dead rows": 500.0, "KiB": 512.0}

_ROLES = (Role.ARCHIVE, Role.INDEX, Role.INDEX_CHILD, Role.SCHEDULER, Role.VALKEY, Role.POSTGRES)

#: Tables whose rows come and go: their size must not depend on the age of the system.
_TABLES = "('index_outbox', 'processes', 'store_counts', 'folders', 'mailboxes')"


@dataclass(frozen=True)
class Sample:
    """Values by name, `minutes` after the start; the last word of a name is the unit."""

    minutes: float
    values: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """The level of a value at the beginning and at the end of the judged time, and whether it grows."""

    name: str
    first: float
    last: float
    grows: bool

    def __str__(self) -> str:
        return f"{self.name}: {self.first:,.1f} to {self.last:,.1f}"


class Gauges:
    """Samples a running system."""

    def __init__(self, system: System, resources: Resources) -> None:
        self.samples: list[Sample] = []
        self._system = system
        self._resources = resources
        self._began = time.monotonic()

    async def sample(self, every: float) -> None:
        """Take a sample every `every` seconds until cancelled."""
        while True:
            values = await asyncio.to_thread(self._processes)
            try:
                values |= await self._database()
            except Transient:
                pass
            self.samples.append(Sample((time.monotonic() - self._began) / 60, values))
            await asyncio.sleep(every)

    def _processes(self) -> dict[str, float]:
        values: dict[str, float] = {}
        for role in _ROLES:
            try:
                found = self._system.processes(role)
                values[f"{role}, MiB"] = sum(process.memory_info().rss for process in found) / 2**20
                values[f"{role}, files"] = sum(process.num_fds() for process in found)
            except psutil.Error:
                continue
        return values

    async def _database(self) -> dict[str, float]:
        async with self._resources.database.session() as session:
            connections = await session.value(
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            )
            dead = await session.value(
                f"SELECT coalesce(sum(n_dead_tup), 0)::bigint FROM pg_stat_user_tables WHERE relname IN {_TABLES}"  # noqa: S608
            )
            size = await session.value(
                f"SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_stat_user_tables WHERE relname IN {_TABLES}"  # noqa: S608
            )
        return {
            "PostgreSQL, connections": float(connections),
            "tables that do not grow, dead rows": float(dead),
            "tables that do not grow, KiB": size / 1024,
        }


def steady(samples: Sequence[Sample]) -> list[Verdict]:
    """Judge each value by a line through its last two thirds; during the first third, caches fill."""
    judged = samples[len(samples) // 3 :]
    return [_judge(name, judged) for name in sorted({name for sample in judged for name in sample.values})]


def _judge(name: str, samples: Sequence[Sample]) -> Verdict:
    points = [(sample.minutes, sample.values[name]) for sample in samples if name in sample.values]
    if len(points) < 3:
        return Verdict(name, points[0][1], points[-1][1], grows=False)
    times, values = zip(*points, strict=True)
    slope, start = linear_regression(times, values)
    first, last = start + slope * times[0], start + slope * times[-1]
    floor = next(limit for unit, limit in _FLOORS.items() if name.endswith(unit))
    return Verdict(name, first, last, grows=last - first > max(floor, _TOLERATED * mean(values)))
