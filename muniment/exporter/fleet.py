"""Prometheus metrics about the whole fleet, exported by the scheduler.

Two schedulers export the same facts twice: query them with `max by (…)`, never as a sum over instances.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client.metrics_core import GaugeHistogramMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from muniment.db.fleet import LagBucket
from muniment.governor import ServerState
from muniment.services.operating.watch_fleet import LAG_BOUNDS, FleetFacts


class FleetCollector(Collector):
    """Exports the last published facts and the time when they were collected."""

    def __init__(self) -> None:
        self._facts: FleetFacts | None = None

    def publish(self, facts: FleetFacts) -> None:
        """Replace the facts."""
        self._facts = facts

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the metrics vary with the facts."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield metrics from the last facts; nothing if there are none yet."""
        facts = self._facts
        if facts is None:
            return
        yield _gauge(
            "muniment_fleet_facts_timestamp_seconds", "When the facts in muniment_fleet_* were collected.", facts.taken
        )
        yield from _archive(facts)
        yield from _processes(facts)
        yield from _runs(facts)
        yield from _mailboxes(facts)
        yield from _servers(facts.status.servers)


def _archive(facts: FleetFacts) -> Iterator[Metric]:
    totals, capacity, index = facts.status.totals, facts.capacity, facts.status.index
    yield _gauge("muniment_fleet_messages", "Messages in the archive.", totals.messages)
    yield _gauge("muniment_fleet_entries", "Entries: messages filed in folders.", totals.entries)
    yield _gauge("muniment_fleet_message_bytes", "Uncompressed bytes of the messages in the archive.", totals.bytes)
    yield _gauge("muniment_fleet_quarantined_messages", "Messages in quarantine.", totals.quarantined)
    if index.indexed is not None and index.coverage is not None:  # it answers
        yield _gauge("muniment_fleet_indexed_messages", "Messages in the index.", index.indexed)
        yield _gauge("muniment_fleet_index_coverage_ratio", "Share of the messages in the index.", index.coverage)
    yield _gauge("muniment_fleet_outbox_messages", "Messages that wait to be indexed.", index.outbox)
    yield _gauge("muniment_fleet_outbox_failed_messages", "Messages that the index refused.", index.failed)
    yield _gauge("muniment_fleet_outbox_seconds", "How long the oldest of them has waited.", capacity.outbox_seconds)
    yield _gauge("muniment_fleet_database_bytes", "Size of the database.", capacity.database_bytes)
    yield _gauge("muniment_fleet_database_connections", "Connections to PostgreSQL.", capacity.connections)
    yield _gauge(
        "muniment_fleet_database_max_connections",
        "Connections that PostgreSQL allows (max_connections).",
        capacity.max_connections,
    )


def _processes(facts: FleetFacts) -> Iterator[Metric]:
    alive = {("scheduler", "alive"): 0, ("archive", "alive"): 0, ("index", "alive"): 0}
    for process in facts.status.processes:
        key = process.kind, "alive" if process.alive else "silent"
        alive[key] = alive.get(key, 0) + 1
    yield _gauges(
        "muniment_fleet_processes", "Processes by kind and state: alive or silent.", ["kind", "state"], alive.items()
    )
    depths = {(name,): depth for name, depth in facts.status.queues.items() if depth is not None}
    yield _gauges("muniment_fleet_queue_tasks", "Tasks that wait in the broker.", ["queue"], depths.items())
    yield _gauge(
        "muniment_fleet_broker_up", "1 if Redis answers, otherwise 0.", float(len(depths) == len(facts.status.queues))
    )


def _runs(facts: FleetFacts) -> Iterator[Metric]:
    mailboxes: dict[tuple[str, ...], int] = {}
    messages, bytes_, ages = {}, {}, {}
    for run in facts.open_runs:
        key = run.profile, str(run.id)
        for state in ("queued", "running", "done", "failed"):
            mailboxes[*key, state] = getattr(run, state)
        messages[key], bytes_[key], ages[key] = run.messages, run.bytes, run.age_seconds
    labels = ["profile", "run"]
    yield _gauges("muniment_fleet_run_mailboxes", "Mailboxes of open runs.", [*labels, "state"], mailboxes.items())
    yield _gauges("muniment_fleet_run_messages", "Messages that open runs have seen.", labels, messages.items())
    yield _gauges("muniment_fleet_run_bytes", "Bytes that open runs have archived.", labels, bytes_.items())
    yield _gauges("muniment_fleet_run_age_seconds", "Age of open runs.", labels, ages.items())
    last = [((run.profile,), run) for run in facts.last_runs]
    finished = {key: run.finished for key, run in last}
    failed = {key: run.failed for key, run in last}
    yield _gauges(
        "muniment_fleet_last_run_timestamp_seconds", "When the profile's last run ended.", ["profile"], finished.items()
    )
    yield _gauges(
        "muniment_fleet_last_run_failed_mailboxes",
        "Mailboxes that failed in the profile's last run.",
        ["profile"],
        failed.items(),
    )
    yield _gauges(
        "muniment_fleet_last_run_missing_messages",
        "Messages that were missing at the end of the profile's last run.",
        ["profile"],
        [((run.profile,), run.missing) for run in facts.last_runs],
    )


def _mailboxes(facts: FleetFacts) -> Iterator[Metric]:
    yield _gauge(
        "muniment_fleet_stale_mailboxes",
        "Mailboxes last completed by a run, or with UIDs last compared, too long ago.",
        facts.status.stale_count,
    )
    yield _gauge(
        "muniment_fleet_mailboxes_by_status",
        "Mailboxes with a folder that was not compared since, because its STATUS is unchanged.",
        facts.status.proofs.by_status,
    )
    yield _gauge("muniment_fleet_unproven_mailboxes", "Mailboxes never proven complete.", facts.never_proven)
    yield _histogram(
        "muniment_fleet_mailboxes_lag_seconds",
        "Age of the oldest comparison of UIDs in each mailbox that is proven complete.",
        facts.lags,
    )
    yield _histogram(
        "muniment_fleet_mailboxes_visit_lag_seconds",
        "Time since a run last completed each mailbox: UIDs compared, or STATUS unchanged since.",
        facts.visit_lags,
    )
    longest = {(lag.user_name, lag.mailbox): lag.seconds for lag in facts.longest_lags if lag.seconds is not None}
    yield _gauges(
        "muniment_fleet_mailbox_lag_seconds",
        "Age of a mailbox's oldest comparison of UIDs; only the longest (MUNIMENT_METRICS_MAILBOXES).",
        ["user", "mailbox"],
        longest.items(),
    )


def _histogram(name: str, text: str, lags: Sequence[LagBucket]) -> Metric:
    counts = {bucket.bucket: bucket.mailboxes for bucket in lags}
    total, buckets = 0, []
    for number, bound in enumerate((*LAG_BOUNDS, math.inf)):
        total += counts.get(number, 0)
        buckets.append(("+Inf" if math.isinf(bound) else str(bound), total))
    return GaugeHistogramMetricFamily(name, text, buckets=buckets, gsum_value=sum(bucket.seconds for bucket in lags))


def _servers(servers: Iterable[ServerState] | None) -> Iterator[Metric]:
    known = [((server.server,), server) for server in servers or ()]
    opened = {key: server.open for key, server in known}
    waiting = {key: server.waiting for key, server in known}
    limits = {key: server.limit for key, server in known if server.limit is not None}
    pauses = {key: server.pause_seconds for key, server in known}
    yield _gauges("muniment_fleet_server_connections", "Open connections to a mail server.", ["server"], opened.items())
    yield _gauges(
        "muniment_fleet_server_waiting",
        "Mailboxes that wait for a connection slot of the server.",
        ["server"],
        waiting.items(),
    )
    yield _gauges(
        "muniment_fleet_server_limit", "Connection limit of the server, if one is known.", ["server"], limits.items()
    )
    yield _gauges(
        "muniment_fleet_server_pause_seconds",
        "Remaining pause before the server is used again; 0 if there is none.",
        ["server"],
        pauses.items(),
    )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _gauges(name: str, text: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family
