"""Lookups at many mailboxes at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial

import pytest

from muniment.errors import LoginRefused, ServerBusy
from muniment.services.mailboxes.run_concurrently import retry_while_busy, run_concurrently
from tests.support.eventually import eventually


class _Lookups:
    """Lookups that end when they are told to; counts those that run, and those that were cancelled."""

    def __init__(self, count: int) -> None:
        self.go = [asyncio.Event() for _ in range(count)]
        self.running: set[int] = set()
        self.cancelled: set[int] = set()
        self.most = 0

    async def look(self, number: int) -> int:
        """Return the number once it may."""
        self.running.add(number)
        self.most = max(self.most, len(self.running))
        try:
            await self.go[number].wait()
        except asyncio.CancelledError:
            self.cancelled.add(number)
            raise
        finally:
            self.running.discard(number)
        return number

    def all(self) -> list[Callable[[], Awaitable[int]]]:
        """Return all lookups."""
        return [partial(self.look, number) for number in range(len(self.go))]


async def test_results_come_as_they_complete() -> None:
    """The second to end comes second, whatever its place."""
    lookups = _Lookups(3)
    found: list[int] = []
    lookups.go[2].set()
    async with aclosing(run_concurrently(lookups.all(), 3)) as results:
        async for result in results:
            found.append(result)
            for event in lookups.go[1:] if len(found) == 1 else lookups.go:
                event.set()

    assert found == [2, 1, 0]


@pytest.mark.parametrize("at_once", [1, 2, 5])
async def test_no_more_at_once_than_allowed(at_once: int) -> None:
    """Exactly `at_once` run while none ends, and all complete in the end."""
    lookups = _Lookups(5)

    async def collect() -> list[int]:
        return [result async for result in run_concurrently(lookups.all(), at_once)]

    collecting = asyncio.create_task(collect())
    await eventually(lambda: lookups.running, "lookups run")
    assert len(lookups.running) == at_once
    for event in lookups.go:
        event.set()

    assert sorted(await collecting) == [0, 1, 2, 3, 4]
    assert lookups.most == at_once


async def test_leaving_early_cancels_the_rest() -> None:
    """Nothing runs on behind the caller's back."""
    lookups = _Lookups(3)
    lookups.go[0].set()
    async with aclosing(run_concurrently(lookups.all(), 3)) as results:
        assert await anext(results) == 0

    assert lookups.cancelled == {1, 2}
    assert not lookups.running


async def test_an_error_cancels_the_rest() -> None:
    """A lookup that raises ends all of them."""
    lookups = _Lookups(2)

    async def fail() -> int:
        raise LoginRefused

    with pytest.raises(LoginRefused):
        _ = [result async for result in run_concurrently([*lookups.all(), fail], 3)]

    assert lookups.cancelled == {0, 1}


async def test_busy_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits as long as the server says, up to a limit, and gives up after many tries."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("muniment.services.mailboxes.run_concurrently.asyncio.sleep", sleep)
    tries = 0

    async def look() -> str:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise ServerBusy(seconds=100.0 if tries == 1 else 2.0)
        return "found"

    async def busy() -> str:
        raise ServerBusy

    assert await retry_while_busy(look) == "found"
    assert waits == [15.0, 2.0]
    with pytest.raises(ServerBusy):
        await retry_while_busy(busy)
    assert len(waits) == 2 + 29


async def test_other_errors_are_raised_at_once() -> None:
    """Only a lack of connections passes by itself."""
    tries = 0

    async def look() -> None:
        nonlocal tries
        tries += 1
        raise LoginRefused

    with pytest.raises(LoginRefused):
        await retry_while_busy(look)
    assert tries == 1
