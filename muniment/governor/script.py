"""Calls the Lua script in Redis and translates Redis' errors."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import redis.asyncio
import redis.exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from muniment.errors import BrokerUnavailable
from muniment.governor.timing import Timing

PREFIX = "muniment:governor"
FLEET = f"{PREFIX}:fleet"
SERVERS = f"{PREFIX}:servers"

_PARTS = ("open", "settled", "closing", "line", "alive", "state")
_TIMEOUT_SECONDS = 5.0
_LISTEN_SECONDS = 60.0

#: The script's answer: a word, then values.
Answer = list[Any]


@dataclass(frozen=True)
class Call:
    """One action on one server, for the slot or ticket `id`; `limit` is the configured limit (0: none)."""

    action: str
    server: str = ""
    id: str = ""
    limit: int = 0
    more: Sequence[str | float] = ()


def key(server: str, part: str) -> str:
    """Return the Redis key of one part of a server's state."""
    return f"{PREFIX}:{server}:{part}"


class Script:
    """The script on one Redis. Every method raises BrokerUnavailable if Redis does not respond."""

    def __init__(self, url: str, timing: Timing) -> None:
        self.client: Any = redis.asyncio.Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=_TIMEOUT_SECONDS,
            socket_connect_timeout=_TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 1),
        )
        self._text = timing.constants() + files("muniment.governor").joinpath("governor.lua").read_text("utf-8")
        self._sha = hashlib.sha1(
            self._text.encode(), usedforsecurity=False
        ).hexdigest()  # Redis identifies scripts by SHA-1

    async def run(self, epoch: str, call: Call) -> Answer:
        """Run one call in one round trip."""
        with broker_errors():
            try:
                answer: Answer = await self.client.evalsha(self._sha, *_arguments(epoch, call))
            except redis.exceptions.NoScriptError:
                answer = await self.client.eval(self._text, *_arguments(epoch, call))
        return answer

    async def run_all(self, epoch: str, calls: Sequence[Call]) -> list[Answer]:
        """Run several calls in one round trip."""
        with broker_errors():
            try:
                return await self._pipeline(epoch, calls)
            except redis.exceptions.NoScriptError:  # none of the calls ran
                await self.client.script_load(self._text)
                return await self._pipeline(epoch, calls)

    async def _pipeline(self, epoch: str, calls: Sequence[Call]) -> list[Answer]:
        async with self.client.pipeline(transaction=False) as pipeline:
            for call in calls:
                pipeline.evalsha(self._sha, *_arguments(epoch, call))
            return list(await pipeline.execute())

    async def epoch(self) -> str | None:
        """Return the identity of Redis' current count; None if Redis has none."""
        with broker_errors():
            epoch: str | None = await self.client.hget(FLEET, "epoch")
        return epoch

    async def servers(self) -> list[str]:
        """Return the names of recently used servers."""
        with broker_errors():
            return list(await self.client.zrange(SERVERS, 0, -1))

    @asynccontextmanager
    async def subscription(self, channel: str) -> AsyncIterator[AsyncIterator[str]]:
        """Subscribe to a channel on a separate connection and yield an iterator over its messages."""
        pubsub = self.client.pubsub(ignore_subscribe_messages=True)
        try:
            with broker_errors():
                await pubsub.subscribe(channel)
            yield _texts(pubsub)
        finally:
            await pubsub.aclose()

    async def close(self) -> None:
        """Close the connections."""
        with broker_errors():
            await self.client.aclose()


async def _texts(pubsub: Any) -> AsyncIterator[str]:
    while True:
        with broker_errors():
            message = await pubsub.get_message(timeout=_LISTEN_SECONDS)
        if message is not None:
            yield message["data"]


@contextmanager
def broker_errors() -> Iterator[None]:
    """Translate Redis' errors into BrokerUnavailable."""
    try:
        yield
    except (redis.exceptions.RedisError, OSError) as error:
        raise BrokerUnavailable(f"Redis cannot be reached: {str(error) or type(error).__name__}") from error


def _arguments(epoch: str, call: Call) -> list[str | float]:
    keys = [FLEET, SERVERS, *(key(call.server, part) for part in _PARTS)]
    return [len(keys), *keys, call.action, epoch, call.server, call.id, call.limit, *call.more]
