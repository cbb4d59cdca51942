"""The base class of all tasks, with their error handling."""

from __future__ import annotations

from concurrent.futures import CancelledError
from typing import Any

from celery import Task
from celery.exceptions import Reject

from muniment import log
from muniment.bridge import Service
from muniment.errors import MunimentError, NotStarted
from workers.lifecycle import bridge

_log = log.get(__name__)

#: How long a worker waits after a failed task before it returns the task to the broker.
PAUSE_SECONDS = 2.0


class MunimentTask(Task[..., None]):
    """Runs one service and never retries through the broker.

    PostgreSQL is the source of truth: it stores when to retry a job whose slice failed, and the
    scheduler sends it again. A failed slice therefore simply ends its task.
    """

    abstract = True

    def serve(self, service: Service[Any]) -> None:
        """Run a service on the process' event loop; log failures with the task's id."""
        with log.bound(task=self.request.id):
            try:
                bridge.run(service)
            except NotStarted:
                # The job is still marked as sent, so the broker must keep the task for another worker.
                raise Reject("the worker is stopping", requeue=True) from None
            except CancelledError:
                _log.info("task handed back because the worker stops")
            except MunimentError as error:
                _log.warning("task failed", task_name=self.name, error=str(error), kind=type(error).__name__)
                # Usually, PostgreSQL is down. The worker must neither lose the task nor take the next one at once.
                # Redelivering a task whose job has ended is harmless.
                bridge.pause(PAUSE_SECONDS)
                raise Reject(str(error), requeue=True) from error
