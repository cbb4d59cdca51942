"""The queue on Celery and Redis."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING

import redis

from muniment.errors import BrokerUnavailable
from muniment.queue.url import check_broker_url, redis_py_url
from muniment.secrecy import Secret

if TYPE_CHECKING:
    from muniment.queue.publisher import Publisher

_TIMEOUT_SECONDS = 10.0


class CeleryQueue:
    """Publishes tasks by name, without importing them."""

    def __init__(self, redis_url: Secret) -> None:
        """Raise Misconfigured if `redis_url` is not a Redis URL; connect on first use."""
        check_broker_url(redis_url)
        self._url = redis_url
        self._redis = redis.Redis.from_url(
            redis_py_url(redis_url.reveal()), socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS
        )
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
        self._redis.close()
        if "_publisher" in vars(self):
            self._publisher.close()

    @cached_property
    def _publisher(self) -> Publisher:
        # Commands that only look at the queues do not wait for Celery's import.
        from muniment.queue.publisher import Publisher  # noqa: PLC0415 - see above

        return Publisher(self._url)

    def _publish(self, task: str, ids: tuple[int, ...]) -> None:
        self._publisher.publish(task, ids)

    def _depth(self, queue: str) -> int:
        try:
            # kombu stores a queue as a Redis list with the queue's name
            return int(self._redis.llen(queue))
        except (redis.RedisError, OSError) as error:
            raise BrokerUnavailable(f"Redis cannot be reached: {error}") from error
