"""Sends tasks with Celery."""

from __future__ import annotations

import redis
from celery import Celery
from kombu.exceptions import OperationalError

from muniment.errors import BrokerUnavailable
from muniment.jobs import ARGUMENTS, ROUTES
from muniment.queue.config import celery_config
from muniment.secrecy import Secret


class Publisher:
    """A Celery application without tasks; its methods block."""

    def __init__(self, redis_url: Secret) -> None:
        self._app = Celery("muniment-publisher", set_as_current=False)
        self._app.conf.update(celery_config(redis_url))

    def publish(self, task: str, ids: tuple[int, ...]) -> None:
        """Send a task with its ids; raise BrokerUnavailable if Redis does not accept it."""
        shown = ", ".join(f"{name} {id_}" for name, id_ in zip(ARGUMENTS[task], ids, strict=True))
        try:
            self._app.send_task(
                task, args=ids, argsrepr=shown, queue=ROUTES[task].value, retry=False, ignore_result=True
            )
        except (redis.RedisError, OperationalError, OSError) as error:
            raise BrokerUnavailable(f"Redis cannot be reached: {error}") from error

    def close(self) -> None:
        """Close the connections to Redis."""
        self._app.close()
