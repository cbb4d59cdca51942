"""Run lookups at many mailboxes concurrently, and retry those that get no connection slot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import TypeVar

from muniment.errors import ServerBusy

_T = TypeVar("_T")

#: How often a lookup is tried that gets no connection slot; the governor makes each try wait some seconds.
_PATIENCE = 30

#: The longest wait between two tries if the server asks for a pause (seconds).
_LONGEST_PAUSE_SECONDS = 15.0


async def run_concurrently(looks: Iterable[Callable[[], Awaitable[_T]]], at_once: int) -> AsyncGenerator[_T, None]:
    """Run up to `at_once` lookups at a time; yield each result as it completes. Exiting early cancels the rest."""
    waiting = iter(looks)
    running: set[asyncio.Future[_T]] = set()
    try:
        while True:
            while len(running) < at_once and (look := next(waiting, None)) is not None:
                running.add(asyncio.ensure_future(look()))
            if not running:
                return
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.result()
    finally:
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)


async def retry_while_busy(look: Callable[[], Awaitable[_T]]) -> _T:
    """Return the result of `look`, and call it again for minutes while the mail server has no connection slot free."""
    for _ in range(_PATIENCE - 1):
        try:
            return await look()
        except ServerBusy as error:
            await asyncio.sleep(min(error.seconds, _LONGEST_PAUSE_SECONDS))
    return await look()
