"""SIGQUIT: the end of a worker at once.

Celery's cold shutdown waits in its signal handler for the threads of a pool, which may be in the middle of a slice, and
has no way to stop them. Ours tells the slices first, and lets nothing take longer than a few seconds.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType

from celery.platforms import EX_FAILURE

from muniment import log
from muniment.bridge import Bridge

_log = log.get(__name__)

#: So long leases may take to be given back (seconds).
QUIT_SECONDS = 3.0


def quit_at_once(bridge: Bridge) -> None:
    """Handle SIGQUIT in this process, which must have Celery's handlers already; call it in the main thread."""
    celery = signal.getsignal(signal.SIGQUIT)

    def on_quit(number: int, frame: FrameType | None) -> None:
        bridge.interrupt()
        _after(QUIT_SECONDS)
        if callable(celery):
            celery(number, frame)

    signal.signal(signal.SIGQUIT, on_quit)


def _after(seconds: float) -> None:
    def end() -> None:
        _log.warning("worker ends at once", reason="SIGQUIT", waited_seconds=seconds)
        os._exit(EX_FAILURE)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
