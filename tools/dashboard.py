"""Writes the Grafana dashboard from the panels listed below: `python -m tools.dashboard`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent / "deploy" / "monitoring" / "grafana" / "muniment.json"

_WIDTH = 24
_RATE = "[$__rate_interval]"


@dataclass(frozen=True)
class Panel:
    """A panel. Each of its queries has the legend of its lines; `unit` is Grafana's name of the unit."""

    title: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    height: int = 7
    text: str = ""
    red_from: float | None = None
    options: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Row:
    """A titled row of panels."""

    title: str
    panels: Sequence[Panel]


def _stat(title: str, query: str, unit: str = "short", red_from: float | None = None, text: str = "") -> Panel:
    return Panel(title, [(query, "")], unit, kind="stat", width=4, height=4, red_from=red_from, text=text)


def _quantile(share: float, metric: str, by: str) -> str:
    return f"histogram_quantile({share:g}, sum by ({by}, le) (rate({metric}_bucket{_RATE})))"


ROWS = (
    Row(
        "At a glance",
        [
            _stat("Archived messages", "max(muniment_fleet_messages)"),
            _stat("Archive size", "max(muniment_fleet_message_bytes)", "bytes"),
            _stat(
                "Stale mailboxes",
                "max(muniment_fleet_stale_mailboxes)",
                red_from=1,
                text="Mailboxes whose last completeness proof is too old.",
            ),
            _stat("Quarantine", "max(muniment_fleet_quarantined_messages)", red_from=1),
            _stat("Index coverage", "max(muniment_fleet_index_coverage_ratio)", "percentunit"),
            _stat("Age of fleet metrics", "time() - max(muniment_fleet_facts_timestamp_seconds)", "s", red_from=120),
        ],
    ),
    Row(
        "Archiving",
        [
            Panel("Messages per second", [(f"sum by (outcome) (rate(muniment_messages_total{_RATE}))", "{{outcome}}")]),
            Panel("Bytes per second", [(f"sum(rate(muniment_message_bytes_total{_RATE}))", "archived")], "Bps"),
            Panel("Mailboxes in progress", [("sum by (instance) (muniment_slices_running)", "{{instance}}")]),
            Panel(
                "Runs in progress",
                [("max by (profile, run, state) (muniment_fleet_run_mailboxes)", "{{profile}} {{run}}: {{state}}")],
                text="Mailboxes by state.",
            ),
            Panel(
                "Failed mailboxes in the last run",
                [("max by (profile) (muniment_fleet_last_run_failed_mailboxes)", "{{profile}}")],
                text="`muniment run show` shows the reasons.",
            ),
            Panel(
                "Missing messages at the end of the last run",
                [("max by (profile) (muniment_fleet_last_run_missing_messages)", "{{profile}}")],
                text="`muniment quarantine list` shows the reasons.",
            ),
            Panel(
                "Setbacks (failed slices)",
                [(f"sum by (kind) (increase(muniment_setbacks_total{_RATE}))", "{{kind}}")],
                text="Slices that failed and will be retried.",
            ),
        ],
    ),
    Row(
        "Lag: time since mailboxes were last proven complete",
        [
            Panel(
                "Mailboxes by lag",
                [("max by (le) (muniment_fleet_mailboxes_lag_seconds_bucket)", "{{le}}")],
                kind="bargauge",
                width=12,
                options={"format": "heatmap"},
            ),
            Panel(
                "Longest lag",
                [("topk(20, max by (mailbox) (muniment_fleet_mailbox_lag_seconds))", "{{mailbox}}")],
                "s",
                kind="table",
                width=12,
            ),
        ],
    ),
    Row(
        "Where the time goes",
        [
            Panel("Stage duration, p95", [(_quantile(0.95, "muniment_stage_seconds", "stage"), "{{stage}}")], "s"),
            Panel(
                "Stages, seconds per second",
                [(f"sum by (stage) (rate(muniment_stage_seconds_sum{_RATE}))", "{{stage}}")],
            ),
            Panel(
                "IMAP command duration, p95",
                [(_quantile(0.95, "muniment_imap_command_seconds", "command"), "{{command}}")],
                "s",
            ),
            Panel("Slices by result", [(f"sum by (end) (rate(muniment_slices_total{_RATE}))", "{{end}}")]),
            Panel(
                "Slice duration, p95", [(_quantile(0.95, "muniment_slice_seconds", "instance"), "{{instance}}")], "s"
            ),
            Panel(
                "Scheduler tick duration, p95", [(_quantile(0.95, "muniment_tick_seconds", "entry"), "{{entry}}")], "s"
            ),
        ],
    ),
    Row(
        "Mail servers",
        [
            Panel(
                "Connections",
                [
                    ("max by (server) (muniment_fleet_server_connections)", "{{server}}"),
                    ("max by (server) (muniment_fleet_server_limit)", "{{server}}: limit"),
                ],
                text="Of all workers together; `muniment server list` shows the reason for a limit.",
            ),
            Panel(
                "Mailboxes waiting for a connection",
                [("max by (server) (muniment_fleet_server_waiting)", "{{server}}")],
            ),
            Panel("Remaining pause", [("max by (server) (muniment_fleet_server_pause_seconds)", "{{server}}")], "s"),
        ],
    ),
    Row(
        "Index",
        [
            Panel("Outbox", [("max(muniment_fleet_outbox_messages)", "waiting")]),
            Panel("Age of the oldest outbox row", [("max(muniment_fleet_outbox_seconds)", "age")], "s"),
            Panel(
                "Indexed messages per second",
                [(f"sum by (outcome) (rate(muniment_indexed_messages_total{_RATE}))", "{{outcome}}")],
            ),
        ],
    ),
    Row(
        "Processes",
        [
            Panel("Processes by state", [("max by (kind, state) (muniment_fleet_processes)", "{{kind}} {{state}}")]),
            Panel("Memory", [('process_resident_memory_bytes{job="muniment"}', "{{instance}}")], "bytes"),
            Panel(
                "CPU", [(f'rate(process_cpu_seconds_total{{job="muniment"}}{_RATE})', "{{instance}}")], "percentunit"
            ),
            Panel("Memory budget", [('muniment_memory_budget_bytes{what="used"}', "{{instance}}")], "bytes"),
            Panel(
                "Event loop lag, p99",
                [(_quantile(0.99, "muniment_event_loop_lag_seconds", "instance"), "{{instance}}")],
                "s",
            ),
            Panel(
                "Recovered mailboxes",
                [(f"sum by (reason) (increase(muniment_recovered_jobs_total{_RATE}))", "{{reason}}")],
                text="Jobs taken from silent workers, or lost by the broker and sent again.",
            ),
            Panel("Open files", [('process_open_fds{job="muniment"}', "{{instance}}")]),
            Panel("Tasks waiting in the broker", [("max by (queue) (muniment_fleet_queue_tasks)", "{{queue}}")]),
            Panel(
                "PostgreSQL connections",
                [
                    ("max(muniment_fleet_database_connections)", "used"),
                    ("max(muniment_fleet_database_max_connections)", "maximum"),
                ],
            ),
        ],
    ),
)


def render() -> str:
    """Return the dashboard in Grafana's import format."""
    dashboard = {
        "uid": "muniment",
        "title": "Muniment",
        "tags": ["muniment"],
        "schemaVersion": 38,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [_DATASOURCE, _FLOWER]},
        "links": [
            {"type": "link", "title": "Flower", "url": "${flower}", "icon": "external link", "targetBlank": True},
        ],
        "annotations": {"list": []},
        "panels": list(_panels()),
    }
    return json.dumps(dashboard, indent=1) + "\n"


_DATASOURCE = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
_FLOWER = {
    "name": "flower",
    "type": "textbox",
    "label": "Address of Flower",
    "query": "http://127.0.0.1:5555",
    "current": {"text": "http://127.0.0.1:5555", "value": "http://127.0.0.1:5555"},
}


def _panels() -> Iterator[dict[str, object]]:
    number, y = 1, 0
    for row in ROWS:
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "panels": [], "gridPos": _at(0, y)}
        number, y, x = number + 1, y + 1, 0
        for panel in row.panels:
            if x + panel.width > _WIDTH:
                x, y = 0, y + panel.height
            yield _panel(number, panel, {"x": x, "y": y, "w": panel.width, "h": panel.height})
            number, x = number + 1, x + panel.width
        y += row.panels[-1].height


def _at(x: int, y: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": _WIDTH, "h": 1}


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, object]:
    source = {"type": "prometheus", "uid": "${datasource}"}
    steps: list[dict[str, object]] = [{"color": "green", "value": None}]
    if panel.red_from is not None:
        steps.append({"color": "red", "value": panel.red_from})
    is_instant = panel.kind in {"stat", "table", "bargauge"}
    targets = [
        {
            "refId": chr(ord("A") + index),
            "expr": query,
            "legendFormat": legend,
            "datasource": source,
            "instant": is_instant,
            "range": not is_instant,
            "format": panel.options.get("format", "table" if panel.kind == "table" else "time_series"),
        }
        for index, (query, legend) in enumerate(panel.queries)
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": source,
        "gridPos": place,
        "fieldConfig": {
            "defaults": {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}},
            "overrides": [],
        },
        "options": {},
        "targets": targets,
    }


if __name__ == "__main__":
    FILE.write_text(render(), "utf-8")
