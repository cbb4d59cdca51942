"""Prometheus metrics of each process' own work; `muniment.exporter` serves them.

Counted per batch, command or slice, never per message: counting must cost nothing. The whole list, with what the
scheduler adds about the fleet, is in docs/reference/metrics.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

#: Muniment's own metrics; Flower uses the library's default registry.
REGISTRY = CollectorRegistry()

#: Environment variable for the folder where the children of a prefork pool store their metrics for the parent.
#: prometheus_client reads it on import: it must be set, and the folder must exist, before the process starts.
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)


class Stage(StrEnum):
    """A part of a message's journey (docs/explanation/architecture.md)."""

    OPEN = "open"  # connect, log in, list folders
    ROOM = "room"  # wait for a share of the memory budget
    PREPARE = "prepare"  # hash messages, parse header fields
    COMPRESS = "compress"
    COMMIT = "commit"  # the transaction
    INDEX = "index"  # one batch from the outbox


STAGES = Histogram(
    "muniment_stage_seconds",
    "Duration of one stage of a batch: open, room, prepare, compress, commit or index.",
    ["stage"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
MESSAGES = Counter(
    "muniment_messages",
    "Messages committed: archived (newly filed), known (recognised by content), quarantined.",
    ["outcome"],
    registry=REGISTRY,
)
DELETED = Counter(
    "muniment_deleted_messages", "Messages deleted on mail servers by rules of profiles.", registry=REGISTRY
)
BYTES = Counter("muniment_message_bytes", "Bytes of the messages archived.", registry=REGISTRY)
SLICES = Counter("muniment_slices", "Slices of jobs, by how they ended.", ["end"], registry=REGISTRY)
SETBACKS = Counter("muniment_setbacks", "Slices that failed, by kind of error.", ["kind"], registry=REGISTRY)
SLICE_SECONDS = Histogram(
    "muniment_slice_seconds", "Duration of slices.", buckets=(*_SECONDS, 300, 600), registry=REGISTRY
)
SLICES_RUNNING = Gauge(
    "muniment_slices_running", "Mailboxes that are being archived.", multiprocess_mode="livesum", registry=REGISTRY
)
CONNECTIONS = Gauge(
    "muniment_imap_connections", "Open connections to mail servers.", multiprocess_mode="livesum", registry=REGISTRY
)
COMMANDS = Histogram(
    "muniment_imap_command_seconds",
    "Time from an IMAP command to its answer.",
    ["command"],
    buckets=_SECONDS,
    registry=REGISTRY,
)
INDEXED = Counter(
    "muniment_indexed_messages",
    "Messages processed from the outbox: indexed or failed.",
    ["outcome"],
    registry=REGISTRY,
)
READER_BARRIERS = Gauge(
    "muniment_attachment_reader_barriers",
    "Whether a barrier around the process that reads attachments is in force: 1 or 0.",
    ["barrier"],
    multiprocess_mode="livemin",
    registry=REGISTRY,
)
LOOP_LAG = Histogram(
    "muniment_event_loop_lag_seconds",
    "How late the event loop ran a timer of one second.",
    buckets=_SECONDS,
    registry=REGISTRY,
)
TICKS = Histogram(
    "muniment_tick_seconds", "Duration of the scheduler's entries.", ["entry"], buckets=_SECONDS, registry=REGISTRY
)
TICK_FAILURES = Counter("muniment_tick_failures", "Entries of the scheduler that failed.", ["entry"], registry=REGISTRY)
RECOVERED = Counter(
    "muniment_recovered_jobs",
    "Jobs that were recovered: silent (the worker stopped responding) or lost (by the broker).",
    ["reason"],
    registry=REGISTRY,
)


@contextmanager
def timed(stage: Stage) -> Iterator[None]:
    """Measure the duration of a stage if it succeeds; a failure has no typical duration."""
    began = time.perf_counter()
    yield
    STAGES.labels(stage.value).observe(time.perf_counter() - began)


def _start_at_zero() -> None:
    """Export counters before their first event: Prometheus misses the increase of a counter that appears at 1."""
    for outcome in ("archived", "known", "quarantined"):
        MESSAGES.labels(outcome)
    for outcome in ("indexed", "failed"):
        INDEXED.labels(outcome)
    for reason in ("silent", "lost"):
        RECOVERED.labels(reason)


_start_at_zero()
