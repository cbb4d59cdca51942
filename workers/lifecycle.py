"""What happens when a worker process starts and stops."""

from __future__ import annotations

from functools import partial
from typing import Any

from celery.signals import (
    worker_init,
    worker_process_init,
    worker_process_shutdown,
    worker_ready,
    worker_shutdown,
    worker_shutting_down,
)

from muniment.bridge import Bridge, wait_for_doors
from muniment.embedded import endpoints
from muniment.jobs import Queue
from muniment.services.report_process import report_process
from muniment.settings import Settings


def settings() -> Settings:
    """Read the settings, with the servers of a running `muniment up` where none are set."""
    return endpoints.resolve(Settings.from_environment())


#: The one bridge of this process.
bridge = Bridge(settings)


def connect() -> None:
    """Listen to Celery's signals; in a process that is no worker none of them comes."""
    worker_init.connect(_on_init, weak=False)
    worker_ready.connect(_on_ready, weak=False)
    worker_process_init.connect(_on_child, weak=False)
    worker_shutting_down.connect(_on_stopping, weak=False)
    worker_shutdown.connect(_on_stopped, weak=False)
    worker_process_shutdown.connect(_on_stopped, weak=False)


def _on_init(**_: object) -> None:
    wait_for_doors(settings)


def _on_ready(sender: Any, **_: object) -> None:
    """Report a pool of threads; the children of a prefork pool report themselves."""
    if not sender.pool.is_green and sender.pool.__class__.__module__.endswith("prefork"):
        return
    queues = set(sender.app.amqp.queues.consume_from)
    kind = Queue.INDEX if queues == {Queue.INDEX.value} else Queue.ARCHIVE
    bridge.keep_running(partial(report_process, kind=kind.value, concurrency=sender.pool.limit), "report")


def _on_child(**_: object) -> None:
    bridge.keep_running(partial(report_process, kind=Queue.INDEX.value, concurrency=1), "report")


def _on_stopping(**_: object) -> None:
    # Warm shutdown waits for the tasks that run: hand their jobs back now, do not finish the slices.
    bridge.interrupt()


def _on_stopped(**_: object) -> None:
    bridge.stop()
