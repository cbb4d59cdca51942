"""What happens when a worker process starts and stops."""

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
from muniment.exporter import Budget, Exporter, forget_former_children
from muniment.jobs import Queue
from muniment.process import collect_garbage_seldom
from muniment.services.operating.report_process import report_process
from muniment.settings import Settings
from workers.announcement import Announcement
from workers.deadline import end_within, quit_at_once


def settings() -> Settings:
    """Read the settings, with the servers of a running `muniment up` where none are set."""
    return endpoints.resolve(Settings.from_environment())


#: The one bridge of this process, on which tasks run.
bridge = Bridge(settings)

#: The process above a prefork pool runs no task; what is asked of it must not be carried over into its children.
_aside = Bridge(settings, connections=1)

#: Archiving comes first: where both share a machine, the index takes the CPU time that is left, and catches up after.
INDEX_NICENESS = 10

_announcement = Announcement()
_exporter: Exporter | None = None


def connect() -> None:
    """Listen to Celery's signals; in a process that is no worker none of them comes."""
    worker_init.connect(_on_init, weak=False)
    worker_ready.connect(_on_ready, weak=False)
    worker_process_init.connect(_on_child, weak=False)
    worker_shutting_down.connect(_on_stopping, weak=False)
    worker_shutdown.connect(_on_stopped, weak=False)
    worker_process_shutdown.connect(_on_child_stopped, weak=False)


def _on_init(sender: Any, **_: object) -> None:
    try:
        _introduce(sender)
    finally:  # Celery swallows what a signal's handler raises: without its resources no worker may take work
        wait_for_resources(settings)


def _introduce(sender: Any) -> None:
    """Say what this worker will do, and let it be watched."""
    global _exporter  # noqa: PLW0603 - one process, one exporter
    found = settings()
    log.configure(found.log_level, json=found.log_json)  # Celery does it only after this signal
    queue = _queue(sender)
    if queue is Queue.INDEX:
        os.nice(INDEX_NICENESS)
    _announcement.starting(queue, sender.concurrency, found)
    forget_former_children()
    if _is_prefork(sender):
        _exporter = Exporter(queue.value, _aside, found)
    else:
        _exporter = Exporter(queue.value, bridge, found, [Budget(bridge, found.memory_budget_bytes)])
    _exporter.start()


def _on_ready(sender: Any, **_: object) -> None:
    """Report a pool of threads; the children of a prefork pool report themselves."""
    worker = sender.controller
    quit_at_once(partial(_stop, "SIGQUIT", "Cold"))
    _announcement.ready()
    if not _is_prefork(worker):
        bridge.keep_running(partial(report_process, kind=_queue(worker).value, concurrency=sender.pool.limit), "report")


def _on_child(**_: object) -> None:
    collect_garbage_seldom()
    if _exporter is not None:
        _exporter.leave_to_parent()
    bridge.keep_running(partial(report_process, kind=Queue.INDEX.value, concurrency=1), "report")


def _on_stopping(sig: str, how: str, **_: object) -> None:
    # Warm shutdown waits for the tasks that run: hand their jobs back now, do not finish the slices.
    _stop(sig, how)
    end_within(Settings.from_environment().stop_seconds)


def _stop(sig: str, how: str) -> None:
    """Interrupt what runs, and say so; called by signals' handlers."""
    running = bridge.running
    bridge.interrupt()
    # In a thread: the handler may have come upon the main thread in the middle of a log line.
    Thread(target=_announcement.stopping, args=(sig, how, running), name="announcement").start()


def _on_stopped(**_: object) -> None:
    if _exporter is not None:
        _exporter.stop()
    bridge.stop()
    _aside.stop()
    _announcement.stopped()


def _on_child_stopped(**_: object) -> None:
    bridge.stop()


def _queue(worker: Any) -> Queue:
    consumed = set(worker.app.amqp.queues.consume_from)
    return Queue.INDEX if consumed == {Queue.INDEX.value} else Queue.ARCHIVE


def _is_prefork(worker: Any) -> bool:
    return str(worker.pool_cls.__module__).endswith("prefork")
