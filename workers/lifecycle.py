"""Handlers for the start and stop of worker processes."""

from __future__ import annotations

import os
from functools import partial
from threading import Thread
from typing import Any

from celery.signals import (
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)

from muniment import log
from muniment.bridge import Bridge, wait_for_resources
from muniment.embedded import endpoints
from muniment.exporter import Budget, Exporter, remove_stale_metrics
from muniment.jobs import Queue
from muniment.process import reduce_garbage_collection
from muniment.services.operating.report_process import report_process
from muniment.settings import Settings
from workers.announcement import Announcement
from workers.deadline import end_within, quit_at_once


def settings() -> Settings:
    """Read the settings; missing URLs are taken from a running `muniment up`."""
    return endpoints.resolve(Settings.from_environment())


def broker_settings() -> Settings:
    """Read the settings that Celery itself needs, and Flower: no database."""
    return endpoints.resolve_broker(Settings.from_environment())


#: The bridge that runs the tasks of this process.
bridge = Bridge(settings)

#: For the parent of a prefork pool, which runs no tasks. Its children must not inherit a started bridge.
_parent_bridge = Bridge(settings, connections=1)

#: Archiving has priority: on a shared machine, indexing uses the remaining CPU time and catches up later.
INDEX_NICENESS = 10

_announcement = Announcement()
_exporter: Exporter | None = None


def connect() -> None:
    """Connect to Celery's signals; they are sent only in worker processes."""
    worker_init.connect(_on_init, weak=False)
    worker_ready.connect(_on_ready, weak=False)
    worker_process_init.connect(_on_child, weak=False)
    worker_shutting_down.connect(_on_stopping, weak=False)
    worker_shutdown.connect(_on_stopped, weak=False)
    worker_process_shutdown.connect(_on_child_stopped, weak=False)


def _on_init(sender: Any, **_: object) -> None:
    try:
        _set_up(sender)
    finally:  # Celery swallows exceptions of signal handlers, but no worker may accept tasks without resources
        wait_for_resources(settings, key=bridge.key)


def _set_up(sender: Any) -> None:
    """Configure logging, log what this worker will do, and start its exporter."""
    global _exporter  # noqa: PLW0603 - one exporter per process
    current = settings()
    log.configure(current.log_level, json=current.log_json)  # Celery does this only after this signal
    queue = _queue(sender)
    # Only archive workers log in to mail servers; the others work without the key to the stored passwords.
    bridge.key = _parent_bridge.key = queue is Queue.ARCHIVE
    if queue is Queue.INDEX:
        os.nice(INDEX_NICENESS)
    _announcement.starting(queue, sender.concurrency, current)
    remove_stale_metrics()
    if _is_prefork(sender):
        _exporter = Exporter(queue.value, _parent_bridge, current)
    else:
        _exporter = Exporter(queue.value, bridge, current, [Budget(bridge, current.memory_budget_bytes)])
    _exporter.start()


def _on_ready(sender: Any, **_: object) -> None:
    """Announce the worker; start reporting for a thread pool. The children of a prefork pool report themselves."""
    worker = sender.controller
    quit_at_once(partial(_stop, "SIGQUIT", "Cold"))
    _announcement.ready()
    if not _is_prefork(worker):
        bridge.keep_running(partial(report_process, kind=_queue(worker).value, concurrency=sender.pool.limit), "report")


def _on_child(**_: object) -> None:
    reduce_garbage_collection()
    if _exporter is not None:
        _exporter.close_in_child()
    bridge.keep_running(partial(report_process, kind=Queue.INDEX.value, concurrency=1), "report")


def _on_stopping(sig: str, how: str, **_: object) -> None:
    # A warm shutdown waits for the running tasks: hand their jobs back now instead of finishing the slices.
    _stop(sig, how)
    end_within(Settings.from_environment().stop_seconds)


def _stop(sig: str, how: str) -> None:
    """Interrupt the running tasks and log it; called by signal handlers."""
    running = bridge.running
    bridge.interrupt()
    # In a thread: the signal may have interrupted the main thread while it holds the log's lock.
    Thread(target=_announcement.stopping, args=(sig, how, running), name="announcement").start()


def _on_stopped(**_: object) -> None:
    if _exporter is not None:
        _exporter.stop()
    bridge.stop()
    _parent_bridge.stop()
    _announcement.stopped()


def _on_child_stopped(**_: object) -> None:
    bridge.stop()


def _queue(worker: Any) -> Queue:
    consumed = set(worker.app.amqp.queues.consume_from)
    return Queue.INDEX if consumed == {Queue.INDEX.value} else Queue.ARCHIVE


def _is_prefork(worker: Any) -> bool:
    return str(worker.pool_cls.__module__).endswith("prefork")
