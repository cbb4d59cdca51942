"""Waits on the event loop for a condition, with a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_LOOK_AGAIN_SECONDS = 0.005


async def eventually(condition: Callable[[], object], what: str, *, seconds: float = 60.0) -> None:
    """Return once `condition` is true; AssertionError naming `what` if it does not become true in time."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"not within {seconds:g} s: {what}"
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)
