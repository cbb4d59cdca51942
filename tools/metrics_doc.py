"""Writes docs/metrics.md from what the processes can show: `python -m tools.metrics_doc`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import Metric

from muniment import metrics
from muniment.bridge import Bridge
from muniment.db.fleet import Capacity
from muniment.db.status import Totals
from muniment.exporter import Budget, Build, FleetCollector, Volume
from muniment.services.indexing.show_index import IndexStatus
from muniment.services.operating.show_status import Status
from muniment.services.operating.watch_fleet import FleetFacts
from muniment.settings import Settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "metrics.md"

_HEAD = """\
# Metrics

*Generated from muniment/metrics.py and muniment/exporter/ by `python -m tools.metrics_doc`; a test compares.*

What `/metrics` of each process shows, in Prometheus' terms; [operations.md](operations.md) says how to have it, and
deploy/monitoring/ holds alert rules and a dashboard made of it. Beside these come the usual `process_*` and `python_*`.
Counters end in `_total`, histograms in `_bucket`, `_sum` and `_count`.
"""


def own() -> list[Metric]:
    """Return what a process counts of its own work."""
    more: list[Budget | Volume] = [Budget(Bridge(Settings), 0), Volume(Path("/"))]
    described = (family for collector in more for family in collector.describe())
    return [*metrics.REGISTRY.collect(), *described, *Build("").collect()]


def fleet() -> list[Metric]:
    """Return what a scheduler shows of the whole fleet."""
    totals = Totals(messages=0, entries=0, quarantined=0, bytes=0)
    status = Status([], {}, totals, [], [], IndexStatus("", [], [], None), 0, [])
    collector = FleetCollector()
    collector.publish(FleetFacts(0.0, status, Capacity(0, 0, 0, 0.0), [], [], [], [], 0))
    return list(collector.collect())


def render() -> str:
    """Return the whole page."""
    return "\n".join(
        [
            _HEAD,
            "## Of every process\n\nA process shows those that its work needs.\n",
            _table(own()),
            "\n## Of the fleet\n\nEvery scheduler shows the same facts, a quarter of a minute old or, with very many mailboxes, a minute: ask for `max by (…)` of them.\n",
            _table(fleet()),
            "",
        ]
    )


def _table(families: Iterable[Metric]) -> str:
    rows = [
        f"| `{_name(family)}` | {family.type} | {_labels(family)} | {family.documentation} |" for family in families
    ]
    return "\n".join(["| name | type | labels | what it is |", "|---|---|---|---|", *rows])


def _labels(family: Metric) -> str:
    if family.type == "info":
        return ", ".join(family.samples[0].labels)
    # The library has no public way to ask for them.
    declared = {metric._name: metric for metric in vars(metrics).values() if isinstance(metric, MetricWrapperBase)}  # noqa: SLF001
    return ", ".join(declared.get(family.name, family)._labelnames)  # type: ignore[union-attr]  # noqa: SLF001


def _name(family: Metric) -> str:
    return family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
