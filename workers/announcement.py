"""Log events about the worker itself: what it will do, why it stops, and what happens to its tasks."""

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

#: What Celery's two kinds of shutdown mean for an operator.
_SHUTDOWNS = {
    "Warm": "each slice finishes its current batch, then its job is handed back",
    "Cold": "at once; leases that cannot be released expire",
}


class Announcement:
    """Logs the lifecycle of one worker."""

    def __init__(self) -> None:
        self._stopping: float | None = None

    def starting(self, queue: Queue, concurrency: int, settings: Settings) -> None:
        """Log the worker's task and its configuration."""
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
        """Log that the worker takes work, and how to stop it."""
        _log.info("worker takes work", stop="SIGTERM hands jobs back, SIGQUIT exits at once")

    def stopping(self, signal: str, how: str, running: int) -> None:
        """Log why the worker stops; `running`: the number of tasks whose jobs must be handed back."""
        if self._stopping is not None:
            return  # Celery may report a SIGQUIT a second time
        self._stopping = time.monotonic()
        _log.info("worker stops", reason=signal, how=_SHUTDOWNS.get(how, how), running=running)

    def stopped(self) -> None:
        """Log that the worker has stopped."""
        seconds = 0.0 if self._stopping is None else time.monotonic() - self._stopping
        _log.info("worker stopped", seconds=round(seconds, 1))
