"""Waits for a condition with a deadline: the only place where tests may poll."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_LOOK_AGAIN_SECONDS = 0.02


def wait_until(condition: Callable[[], T], what: str, *, seconds: float = 60.0) -> T:
    """Return the first true result of `condition`; AssertionError naming `what` if there is none in time."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(_LOOK_AGAIN_SECONDS)
    return answer


async def wait_until_async(condition: Callable[[], Awaitable[T]], what: str, *, seconds: float = 60.0) -> T:
    """Like `wait_until`, for a coroutine function; the event loop stays free in between."""
    deadline = time.monotonic() + seconds
    while not (answer := await condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    return answer
