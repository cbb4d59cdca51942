"""Limits how long a worker may take to exit.

Celery's warm shutdown waits without a limit for its tasks and for the broker; its cold shutdown waits in a signal
handler for the threads of the pool, which it cannot stop. Operators, systemd and Kubernetes need an earlier exit;
leases that were not released by then expire.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

import psutil
from celery.platforms import EX_FAILURE

from muniment import log

_log = log.get(__name__)

#: How long releasing leases may take after SIGQUIT (seconds).
QUIT_SECONDS = 3.0


def quit_at_once(stop: Callable[[], None]) -> None:
    """Handle SIGQUIT. Call this in the main thread, after Celery has installed its own handlers.

    `stop` interrupts the running tasks before Celery begins to wait for them.
    """
    celery = signal.getsignal(signal.SIGQUIT)

    def on_quit(number: int, frame: FrameType | None) -> None:
        stop()
        end_within(QUIT_SECONDS)
        if callable(celery):
            celery(number, frame)

    signal.signal(signal.SIGQUIT, on_quit)


def end_within(seconds: float) -> None:
    """Kill this process and its children if it is still running after `seconds`."""
    timer = threading.Timer(seconds, _end, [seconds])
    timer.daemon = True
    timer.start()


def _end(seconds: float) -> None:
    _log.warning("worker exits without having handed back all jobs", waited_seconds=seconds)
    for child in psutil.Process().children(recursive=True):
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    os._exit(EX_FAILURE)
