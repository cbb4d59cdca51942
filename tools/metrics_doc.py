"""Writes docs/reference/metrics.md from the metrics that the processes can expose: `python -m tools.metrics_doc`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric

from muniment import metrics
from muniment.bridge import Bridge
from muniment.db.fleet import Capacity
from muniment.db.roles import Separation
from muniment.db.status import Totals
from muniment.exporter import Budget, Build, FleetCollector, Volume
from muniment.model.proof import Proofs
from muniment.services.indexing.show_index import IndexStatus
from muniment.services.operating.show_status import Status
from muniment.services.operating.watch_fleet import FleetFacts
from muniment.settings import Settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "metrics.md"

_HEAD = """\
# Metrics

*Generated from muniment/metrics.py and muniment/exporter/ by `python -m tools.metrics_doc`. A test compares this page
with the code.*

These are the metrics that each process exposes at `/metrics`, in Prometheus' terms. [Monitor with
Prometheus](../how-to/monitor.md) explains how to enable them; `deploy/monitoring/` has alert rules and a dashboard that
use them. The usual `process_*` and `python_*` metrics are exposed as well. Names of counters end in `_total`;
histograms have `_bucket`, `_sum` and `_count`.
"""


def own() -> list[Metric]:
    """Return the metrics of a process about its own work."""
    more: list[Budget | Volume] = [Budget(Bridge(Settings), 0), Volume(Path("/"))]
    described = (family for collector in more for family in collector.describe())
    return [*metrics.REGISTRY.collect(), *described, *Build("").collect()]


def fleet() -> list[Metric]:
    """Return the metrics of a scheduler about the whole fleet."""
    totals = Totals(messages=0, entries=0, quarantined=0, accepted=0, incomplete=0, bytes=0)
    separation = Separation("", "", *[False] * 7)
    status = Status([], {}, totals, [], [], IndexStatus("", [], [], None), Proofs(0, None, 0), 0, [], separation)
    collector = FleetCollector()
    collector.publish(FleetFacts(0.0, status, Capacity(0, 0, 0, 0.0), [], [], [], [], [], 0))
    return list(collector.collect())


def render() -> str:
    """Return the whole page."""
    return "\n".join(
        [
            _HEAD,
            "## Per process\n\nEach process exposes the metrics that apply to its work.\n",
            _table(own()),
            "\n## Per fleet\n\nEvery scheduler exposes the same facts, refreshed every 15 seconds (less often with very"
            " many mailboxes).\nAggregate them with `max by (…)`, never with `sum`.\n",
            _table(fleet()),
            "",
        ]
    )


def _table(families: Iterable[Metric]) -> str:
    rows = [
        f"| `{_name(family)}` | {family.type} | {_labels(family)} | {family.documentation} |" for family in families
    ]
    return "\n".join(["| name | type | labels | meaning |", "|---|---|---|---|", *rows])


def _labels(family: Metric) -> str:
    if family.type == "info":
        return ", ".join(family.samples[0].labels)
    # The library has no public API for this.
    declared = {metric._name: metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)}  # noqa: SLF001
    return ", ".join(declared.get(family.name, family)._labelnames)  # type: ignore[union-attr]  # noqa: SLF001


def _name(family: Metric) -> str:
    return family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
