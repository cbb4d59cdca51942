"""Waiting on the event loop for a condition with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_LOOK_AGAIN_SECONDS = 0.005


async def eventually(condition: Callable[[], object], what: str, *, seconds: float = 60.0) -> None:
    """Return when `condition` is true; AssertionError naming `what` when it does not come to be in time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
