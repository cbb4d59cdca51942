"""What a worker says about itself: what it will do, why it stops, and what became of its work."""

from __future__ import annotations

import time

from muniment import log
from muniment.jobs import Queue
from muniment.secrecy import place
from muniment.settings import Settings

_log = log.get(__name__)

_WORK = {
    Queue.ARCHIVE: "fetch mail and commit it to PostgreSQL",
    Queue.INDEX: "make archived messages searchable",
}

#: Celery's two ways to end, in the words of an operator.
_WAYS = {
    "Warm": "slices are handed back after the batch in hand",
    "Cold": "at once; leases that cannot be given back run out",
}


class Announcement:
    """One worker's words, as log lines."""

    def __init__(self) -> None:
        self._stopping: float | None = None

    def starting(self, queue: Queue, concurrency: int, settings: Settings) -> None:
        """Say what the worker will do, and with what."""
        own = {"memory_budget_mib": settings.memory_budget_bytes // 2**20} if queue is Queue.ARCHIVE else {}
        _log.info(
            "worker starts",
            work=_WORK[queue],
            queue=queue.value,
            at_once=concurrency,
            database=place(settings.database_url),
            broker=place(settings.redis_url),
            data=str(settings.data),
            **own,
        )

    def ready(self) -> None:
        """Say that it takes work, and how it is stopped."""
        _log.info("worker takes work", stop="SIGTERM hands work back, SIGQUIT ends at once")

    def stopping(self, signal: str, how: str, running: int) -> None:
        """Say why it stops; `running`: tasks whose work has to be given back."""
        if self._stopping is not None:
            return  # Celery tells of a SIGQUIT once more, or not
        self._stopping = time.monotonic()
        _log.info("worker stops", reason=signal, how=_WAYS.get(how, how), running=running)

    def stopped(self) -> None:
        """Say that it is over."""
        seconds = 0.0 if self._stopping is None else time.monotonic() - self._stopping
        _log.info("worker stopped", seconds=round(seconds, 1))
