"""How long a worker may take to end.

Celery's warm shutdown waits for its tasks and for a last word from the broker, however long that takes; its cold
shutdown waits in a signal handler for the threads of a pool, which it has no way to stop. An operator, systemd and
Kubernetes want it sooner: then leases that could not be given back run out.
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

#: After SIGQUIT, so long leases may take to be given back (seconds).
QUIT_SECONDS = 3.0


def quit_at_once(stop: Callable[[], None]) -> None:
    """Handle SIGQUIT in this process, which must have Celery's handlers already; call it in the main thread.

    `stop` tells whoever works, before Celery begins to wait for them.
    """
    celery = signal.getsignal(signal.SIGQUIT)

    def on_quit(number: int, frame: FrameType | None) -> None:
        stop()
        end_within(QUIT_SECONDS)
        if callable(celery):
            celery(number, frame)

    signal.signal(signal.SIGQUIT, on_quit)


def end_within(seconds: float) -> None:
    """End this process and its children when it still runs after so many seconds."""
    timer = threading.Timer(seconds, _end, [seconds])
    timer.daemon = True
    timer.start()


def _end(seconds: float) -> None:
    _log.warning("worker ends without having handed back everything", waited_seconds=seconds)
    for child in psutil.Process().children(recursive=True):
        try:
            child.kill()
        except psutil.NoSuchProcess:
            continue
    os._exit(EX_FAILURE)
