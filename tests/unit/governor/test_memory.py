"""The governor in memory: limits for each server, a line of those who wait, and what it learns."""

from __future__ import annotations

import asyncio

import pytest

from muniment.errors import BrokerUnavailable, ServerBusy, ServerThrottled
from muniment.governor import ConnectionSlot, Governor, MemoryGovernor
from muniment.model.profile import Access, Server
from muniment.model.server_limits import ServerLimits
from tests.support.eventually import eventually

ONE, OTHER = Server("one", 143, Access.IMAP), Server("other", 143, Access.IMAP)


def _governor(connections: int | None, *, patience: float = 0.0) -> MemoryGovernor:
    return MemoryGovernor({"one": ServerLimits(connections)}, patience=patience)


async def test_each_server_has_its_limit() -> None:
    """The second connection to one server is refused; the other server has no limit."""
    governor: Governor = _governor(1)
    await governor.enter(ONE)
    for _ in range(3):
        await governor.enter(OTHER)

    with pytest.raises(ServerBusy, match="all its 1 connections"):
        await governor.enter(ONE)
    assert [(state.server, state.open, state.limit) for state in await governor.look()] == [
        ("one", 1, 1),
        ("other", 3, None),
    ]


async def test_a_released_slot_is_free_again() -> None:
    """Released twice, it is free once."""
    governor = _governor(1)
    slot = await governor.enter(ONE)
    slot.release(clean=True)
    slot.release(clean=True)
    await governor.enter(ONE)

    with pytest.raises(ServerBusy):
        await governor.enter(ONE)


async def test_waiting_in_line() -> None:
    """Who waits first is served first, and who comes in that moment does not overtake."""
    governor = _governor(1, patience=30.0)
    held = await governor.enter(ONE)
    served: list[str] = []

    async def wait(name: str) -> ConnectionSlot:
        slot = await governor.enter(ONE)
        served.append(name)
        return slot

    first, second = asyncio.create_task(wait("first")), asyncio.create_task(wait("second"))
    await eventually(lambda: governor._state("one").waiting == 2, "both wait")
    held.release(clean=True)
    late = asyncio.create_task(wait("late"))
    (await first).release(clean=True)
    (await second).release(clean=True)
    (await late).release(clean=True)

    assert served == ["first", "second", "late"]
    assert governor.most["one"] == 1


async def test_who_stops_waiting_takes_no_slot() -> None:
    """Neither at once nor when the slot becomes free."""
    governor = _governor(1, patience=30.0)
    held = await governor.enter(ONE)
    waiting = asyncio.create_task(governor.enter(ONE))
    await eventually(lambda: governor._state("one").waiting == 1, "it waits")
    waiting.cancel()
    held.release(clean=True)
    await asyncio.wait({waiting})

    assert waiting.cancelled()
    await governor.enter(ONE)


async def test_cancelled_in_the_moment_of_the_grant() -> None:
    """The slot that was granted to a cancelled waiter goes to the next."""
    governor = _governor(1, patience=30.0)
    held = await governor.enter(ONE)
    waiting = asyncio.create_task(governor.enter(ONE))
    await eventually(lambda: governor._state("one").waiting == 1, "it waits")
    held.release(clean=True)
    waiting.cancel()
    await asyncio.wait({waiting})

    assert [state.open for state in await governor.look()] == [0]


async def test_a_limit_is_learned_from_a_refusal() -> None:
    """While others are connected, a refusal for their number shows the limit; it says nothing about the mailbox."""
    governor = _governor(None)
    await governor.enter(ONE)
    slot = await governor.enter(ONE)
    slot.report_throttling("too many", too_many=True, seconds=0)
    instead = await slot.report_refusal(ServerThrottled("too many"))

    assert isinstance(instead, ServerBusy)
    assert [(state.limit, state.learned_reason) for state in await governor.look()] == [(1, "too many")]
    with pytest.raises(ServerBusy):
        await governor.enter(ONE)


async def test_a_refusal_that_says_nothing() -> None:
    """Alone, or for another reason, a refusal teaches nothing, and frees the slot."""
    governor = _governor(1)
    alone = await governor.enter(ONE)
    alone.report_throttling("too many", too_many=True, seconds=0)
    assert await alone.report_refusal(ServerThrottled()) is None

    await governor.enter(ONE)
    assert [state.learned for state in await governor.look()] == [None]


async def test_a_pause() -> None:
    """Nothing is granted while the server wants a pause; the error says how long."""
    governor = _governor(2)
    slot = await governor.enter(ONE)
    slot.logged_in()
    slot.report_throttling("slow down", too_many=False, seconds=40)

    with pytest.raises(ServerBusy, match="slow down") as caught:
        await governor.enter(ONE)
    with pytest.raises(ServerBusy):
        await slot.spend(size=1)
    assert caught.value.seconds == 40
    governor.pause("one", 0, "")
    await governor.enter(ONE)


async def test_rates_are_recorded() -> None:
    """Where a server has rates, what is asked of it is counted."""
    governor = MemoryGovernor({"one": ServerLimits(None, 20.0, 1000.0)})
    slot = await governor.enter(ONE)
    await slot.spend(commands=1)
    await slot.spend(size=300)
    free = await governor.enter(OTHER)
    await free.spend(commands=1, size=300)

    assert governor.bytes == {"one": 300}
    assert governor.commands["one"] >= 1


async def test_redis_is_away() -> None:
    """Nobody can say."""
    governor = _governor(None)
    governor.is_away = True

    with pytest.raises(BrokerUnavailable):
        await governor.enter(ONE)
    with pytest.raises(BrokerUnavailable):
        await governor.look()
