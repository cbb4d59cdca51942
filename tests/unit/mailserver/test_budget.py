from __future__ import annotations

import asyncio

import pytest

from muniment.mailserver import ByteBudget


async def settled() -> None:
    """Run every task that can run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_fits_is_granted_at_once() -> None:
    """Reservations below the limit do not wait."""
    budget = ByteBudget(10)
    await budget.reserve(4)
    await budget.reserve(6)

    assert budget.used == 10


async def test_first_come_first_served() -> None:
    """A small reservation does not overtake a large one that waits."""
    budget = ByteBudget(10)
    order: list[str] = []

    async def take(name: str, n: int) -> None:
        await budget.reserve(n)
        order.append(name)

    await budget.reserve(8)
    tasks = [asyncio.create_task(take("large", 9)), asyncio.create_task(take("small", 1))]
    await settled()
    assert order == []

    budget.release(8)
    await asyncio.gather(*tasks)
    assert order == ["large", "small"]
    assert budget.used == 10


async def test_a_request_above_the_limit_is_granted_alone() -> None:
    """A message larger than the whole budget waits until nothing else is reserved, then proceeds."""
    budget = ByteBudget(10)
    await budget.reserve(1)
    huge = asyncio.create_task(budget.reserve(1000))
    await settled()
    assert not huge.done()

    budget.release(1)
    await huge
    assert budget.used == 1000


async def test_a_cancelled_waiter_frees_the_way() -> None:
    """The waiter behind a cancelled one is granted if there is room."""
    budget = ByteBudget(10)
    await budget.reserve(5)
    first = asyncio.create_task(budget.reserve(9))
    second = asyncio.create_task(budget.reserve(5))
    await settled()

    first.cancel()
    await second
    assert budget.used == 10
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_cancelled_in_the_moment_of_the_grant() -> None:
    """A waiter that is granted and cancelled at the same time returns its bytes."""
    budget = ByteBudget(10)
    await budget.reserve(10)
    waiter = asyncio.create_task(budget.reserve(3))
    await settled()

    budget.release(10)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert budget.used == 0


async def test_what_is_charged_keeps_others_waiting() -> None:
    """Bytes already in memory are charged at once, even beyond the limit; later reservations wait for them."""
    budget = ByteBudget(10)
    await budget.reserve(5)
    budget.charge(20)
    waiter = asyncio.create_task(budget.reserve(5))
    await settled()
    assert (budget.used, waiter.done()) == (25, False)

    budget.release(20)
    await waiter
    assert budget.used == 10
