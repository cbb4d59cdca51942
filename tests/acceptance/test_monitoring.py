"""Monitoring of the real processes: metrics, health and logs."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from muniment.services.operating.show_status import show_status
from muniment.services.profiles.submit_profile import submit_profile
from tests.acceptance.conftest import MakeSource
from tests.support.ports import free_port
from tests.support.principal import ADMIN
from tests.support.processes import frozen
from tests.support.prometheus import Prometheus, running_prometheus
from tests.support.proof import assert_settled, begin, finish
from tests.support.system import System, system
from tests.support.waiting import wait_until
from tools import dashboard


def get(port: int, page: str) -> tuple[int, str]:
    """Return the status and the body of a page."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{page}", timeout=60) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.fixture
def watched() -> Iterator[System]:
    """Return a running system with metrics: scheduler, archive worker and index worker on three consecutive ports."""
    with system(MUNIMENT_METRICS_PORT=str(free_port(3)), MUNIMENT_LOG_JSON="true") as started:
        started.start()
        yield started


def ports(up: System) -> list[int]:
    first = up.settings.metrics_port
    assert first is not None
    return [first, first + 1, first + 2]


async def test_prometheus_sees_the_run(watched: System, make_source: MakeSource, tmp_path: Path) -> None:
    """A real Prometheus scrapes every process; the metrics match the archive, and all rules and panels work."""
    source = make_source(4, 50)
    with running_prometheus(tmp_path, [f"127.0.0.1:{port}" for port in ports(watched)]) as prometheus:
        async with watched.resources() as resources:
            await submit_profile(ADMIN, resources, source.profile("everybody"))
            await finish(resources, await begin(resources, "everybody"))
            await assert_settled(resources)
            distinct = (await show_status(ADMIN, resources)).totals.messages

        def told(query: str, wanted: int) -> None:
            wait_until(lambda: prometheus.value(query) == wanted, f"{query} to be {wanted}")

        told('sum(muniment_messages_total{outcome="archived"})', source.messages)
        told("max(muniment_fleet_entries)", source.messages)
        told("max(muniment_fleet_messages)", distinct)
        told("max(muniment_fleet_indexed_messages)", distinct)
        # By a child of the index worker; a message filed in two archives may be indexed twice.
        told(f'sum(muniment_indexed_messages_total{{outcome="indexed"}}) >= bool {distinct}', 1)
        assert prometheus.value('sum(muniment_slices_total{end="done"})') == len(source.addresses)
        assert prometheus.value("max(muniment_fleet_mailboxes_lag_seconds_gcount)") == len(source.addresses)
        for stage in ("open", "room", "prepare", "compress", "commit", "index"):
            assert prometheus.value(f'sum(muniment_stage_seconds_count{{stage="{stage}"}})'), stage
        assert_rules_and_panels_work(prometheus)


def assert_rules_and_panels_work(prometheus: Prometheus) -> None:
    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert len(rules) >= 20
    assert {rule["health"] for rule in rules} == {"ok"}
    for row in dashboard.ROWS:
        for panel in row.panels:
            for query, _ in panel.queries:
                prometheus.ask("query", query=query.replace("$__rate_interval", "1m"))


async def test_health_tells_waiting_from_hanging(watched: System) -> None:
    """Without PostgreSQL, a process is alive but not ready; a stopped process does not respond; both recover."""
    scheduler, archive, index = ports(watched)
    for port in (scheduler, archive, index):
        assert get(port, "/healthz") == (200, '{"status": "ok", "checks": {"event_loop": "ok"}}\n')
        assert get(port, "/readyz")[0] == 200
    assert get(archive, "/nonsense")[0] == 404

    with frozen(watched.data / "postgres"):
        status, text = get(archive, "/readyz")
        assert (status, json.loads(text)["checks"]) == (503, {"database": "no response within 4 s", "broker": "ok"})
        assert get(archive, "/healthz")[0] == 200
    wait_until(lambda: get(archive, "/readyz")[0] == 200, "the archive worker to be ready again")


async def test_log_lines_are_json_with_run_and_job(watched: System, make_source: MakeSource) -> None:
    """Each log line of a worker is a JSON object; lines of a slice contain run, job, mailbox and task."""
    source = make_source(2, 20)
    async with watched.resources() as resources:
        await submit_profile(ADMIN, resources, source.profile("everybody"))
        run_id = await begin(resources, "everybody")
        await finish(resources, run_id)
    assert watched.stop(signal.SIGTERM) == 0
    lines = [line for line in (watched.data / "log" / "archive-worker.log").read_text().splitlines() if line]
    events = [json.loads(line) for line in lines if line.startswith("{")]
    ends = [event for event in events if event["event"] == "slice ended"]

    assert [line for line in lines if not line.startswith("{") and "[" in line] == []
    assert {event["run"] for event in ends} == {run_id}
    assert all({"job", "mailbox_id", "task", "timestamp", "level", "logger"} <= event.keys() for event in ends)
    names = [event["event"] for event in events if event["logger"] == "workers.announcement"]
    assert names == ["worker starts", "worker takes work", "worker stops", "worker stopped"]


def test_taken_port_stops_nobody(port: int) -> None:
    """A process whose port is in use reports that and works without metrics."""
    with system(MUNIMENT_METRICS_PORT=str(port)) as first:
        first.start()
        with system(MUNIMENT_METRICS_PORT=str(port)) as second:
            second.start()
            log = (second.data / "log" / "archive-worker.log").read_text()

    assert "no metrics: cannot listen" in log
    assert "MUNIMENT_METRICS_PORT" in log
