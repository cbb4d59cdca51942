"""Metrics of this process that are read on each scrape."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import psutil
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from muniment import metrics
from muniment.bridge import Bridge
from muniment.services.access.principal import Principal
from muniment.services.resources import Resources

_LAG_SECONDS = 1.0


async def measure_lag(_principal: Principal, _resources: Resources) -> None:
    """Measure the event loop's lag every second until cancelled: computing on the loop delays all other tasks."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _LAG_SECONDS
        await asyncio.sleep(_LAG_SECONDS)
        metrics.LOOP_LAG.observe(max(0.0, loop.time() - due))


class Budget(Collector):
    """Exports the memory budget of this process; nothing until the resources are open."""

    def __init__(self, bridge: Bridge, limit: int) -> None:
        self._bridge = bridge
        self._limit = limit

    def describe(self) -> Iterable[Metric]:
        """Return the metric without values."""
        return [
            GaugeMetricFamily(
                "muniment_memory_budget_bytes",
                "Memory budget for message bytes in flight: limit and used.",
                labels=["what"],
            )
        ]

    def collect(self) -> Iterable[Metric]:
        """Return the metric with current values."""
        resources = self._bridge.resources
        return _filled(self, {"limit": self._limit, "used": resources.budget.used}) if resources is not None else []


class Volume(Collector):
    """Exports the size and free space of the data folder's volume; nothing until the folder exists."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def describe(self) -> Iterable[Metric]:
        """Return the metric without values."""
        text = "Volume of the data folder (spool, embedded servers): size, free."
        return [GaugeMetricFamily("muniment_data_volume_bytes", text, labels=["what"])]

    def collect(self) -> Iterable[Metric]:
        """Return the metric with current values."""
        try:
            disk = psutil.disk_usage(str(self._folder))
        except OSError:
            return []
        return _filled(self, {"size": disk.total, "free": disk.free})


def _filled(collector: Budget | Volume, values: dict[str, int]) -> Iterable[Metric]:
    for family in collector.describe():
        for what, value in values.items():
            family.add_sample(family.name, {"what": what}, value)
        yield family
