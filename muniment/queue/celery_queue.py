"""The queue on Celery and Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import redis
from celery import Celery
from kombu.exceptions import OperationalError

from muniment.errors import BrokerUnavailable
from muniment.jobs import ARGUMENTS, ROUTES
from muniment.queue.config import celery_config
from muniment.secrecy import Secret


class CeleryQueue:
    """Publishes tasks by name, without importing them."""

    def __init__(self, redis_url: Secret) -> None:
        self._app = Celery("muniment-publisher", set_as_current=False)
        self._app.conf.update(celery_config(redis_url))
        # Celery's producers block; a single thread preserves the order.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="publish")

    async def publish(self, task: str, *ids: int) -> None:
        """Send a task with its ids; raise BrokerUnavailable if Redis does not accept it."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._publish, task, ids)

    async def depth(self, queue: str) -> int:
        """Return the length of a queue; raise BrokerUnavailable if Redis does not respond."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._depth, queue)

    async def close(self) -> None:
        """Close the connections to Redis."""
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)
        self._app.close()

    def _publish(self, task: str, ids: tuple[int, ...]) -> None:
        with _broker_errors():
            shown = ", ".join(f"{name} {id_}" for name, id_ in zip(ARGUMENTS[task], ids, strict=True))
            self._app.send_task(
                task, args=ids, argsrepr=shown, queue=ROUTES[task].value, retry=False, ignore_result=True
            )

    def _depth(self, queue: str) -> int:
        with _broker_errors(), self._app.connection_for_read() as connection:
            # kombu's type annotations lack the attributes that each transport adds
            channel: Any = connection.default_channel
            # kombu stores a queue as a Redis list with the queue's name
            return int(channel.client.llen(queue))


@contextmanager
def _broker_errors() -> Iterator[None]:
    try:
        yield
    except (redis.RedisError, OperationalError, OSError) as error:
        raise BrokerUnavailable(f"Redis cannot be reached: {error}") from error
