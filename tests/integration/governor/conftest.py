"""Governors of several processes on a real Valkey; a few values stand in for PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import redis.asyncio

from muniment.embedded.valkey import EmbeddedValkey
from muniment.errors import ServerUnavailable
from muniment.governor import ConnectionSlot, Memory, RedisGovernor, Script, ServerState, Timing
from muniment.model.profile import Access, Server
from muniment.model.server_limits import ServerLimits
from tests.support.services import redis_url, valkey_server
from tests.support.waiting import wait_until_async

SERVER = Server("mail.example.com", 993, Access.IMAP_SSL)


@pytest.fixture(scope="session")
def valkey() -> Iterator[EmbeddedValkey]:
    """Run a Valkey. It is shared: empty it before use (`fleet`)."""
    with valkey_server() as server:
        yield server


@dataclass
class Fleet:
    """Processes that share one Redis, and the values that PostgreSQL would hold."""

    url: str
    client: Any
    limits: dict[str, ServerLimits] = field(default_factory=dict)
    is_first: bool = True
    members: list[RedisGovernor] = field(default_factory=list)

    def member(self, *, limit: int | None = None, timing: Timing | None = None, **rates: float) -> RedisGovernor:
        """Return the governor of another process with this default limit."""
        timing = timing or Timing()

        async def limits() -> Mapping[str, ServerLimits]:
            return self.limits

        async def is_first() -> bool:
            return self.is_first

        memory = Memory(limits, is_first)
        member = RedisGovernor(Script(self.url, timing), memory, ServerLimits(limit, **rates), timing)
        self.members.append(member)
        return member

    async def state(self) -> ServerState:
        """Return the state of the only server."""
        [state] = await self.members[0].look()
        return state

    async def until(self, **expected: object) -> ServerState:
        """Wait until the server's state is as expected."""

        async def looked() -> ServerState | None:
            states = await self.members[0].look()
            fitting = (s for s in states if all(getattr(s, name) == value for name, value in expected.items()))
            return next(fitting, None)

        found = await wait_until_async(looked, f"{expected}")
        assert found is not None
        return found


@pytest.fixture
async def fleet(valkey: EmbeddedValkey) -> AsyncIterator[Fleet]:
    """Yield a fleet without members, on an empty Redis."""
    url = redis_url(valkey)
    client: Any = redis.asyncio.Redis.from_url(url, decode_responses=True)
    await client.flushall()
    made = Fleet(url, client)
    yield made
    for member in made.members:
        await member.close()
    await client.aclose()


async def die(governor: RedisGovernor) -> None:
    """Simulate SIGKILL of a process: its slots are neither renewed nor released."""
    governor._closing = True
    governor._wake.set()
    for task in governor._tasks:
        task.cancel()
    governor._tasks.clear()
    governor._slots.clear()


async def let_in(governor: RedisGovernor, count: int = 1) -> list[ConnectionSlot]:
    """Return slots of connections with a successful login."""
    slots = [await governor.enter(SERVER) for _ in range(count)]
    for slot in slots:
        slot.logged_in()
    await governor._flush()
    return slots


async def refuse(
    slot: ConnectionSlot, words: str = "* BYE [LIMIT] too many connections", *, too_many: bool = True
) -> Any:
    """Simulate a connection that the server refuses; return the replacement for its error."""
    if too_many:
        slot.report_throttling(words, too_many=True, seconds=0)
    return await slot.report_refusal(ServerUnavailable(words))
