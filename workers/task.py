"""The base of all tasks: what a task does about errors, said once."""

from __future__ import annotations

from concurrent.futures import CancelledError
from typing import Any

from celery import Task
from celery.exceptions import Reject

from muniment import log
from muniment.bridge import Service
from muniment.errors import MunimentError, NotBegun
from workers.lifecycle import bridge

_log = log.get(__name__)

#: So long a worker that could not do a task waits before it gives the task back.
PAUSE_SECONDS = 2.0


class MunimentTask(Task[..., None]):
    """Runs one service and never retries through the broker.

    PostgreSQL knows what is to be done: a job whose slice failed waits there with its time, and
    the scheduler sends it again. A task that failed is therefore simply over.
    """

    abstract = True

    def serve(self, service: Service[Any]) -> None:
        """Run a service on the process's loop; failures are logged with the task's id."""
        with log.bound(task=self.request.id):
            try:
                bridge.run(service)
            except NotBegun:
                # The job is still marked as sent, so the broker has to keep the task for another worker.
                raise Reject("the worker stops", requeue=True) from None
            except CancelledError:
                _log.info("task handed back, the worker stops")
            except MunimentError as error:
                _log.warning("task failed", task_name=self.name, error=str(error), kind=type(error).__name__)
                # Most of the time PostgreSQL is away. Who cannot work must neither swallow the task nor take the
                # next one at once; one whose job ended after all does no harm.
                bridge.pause(PAUSE_SECONDS)
                raise Reject(str(error), requeue=True) from error
