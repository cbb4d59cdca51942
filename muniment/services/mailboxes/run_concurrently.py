"""Look into many mailboxes at once, retry_while_busy where the mail server allows fewer connections than that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import TypeVar

from muniment.errors import ServerBusy

_T = TypeVar("_T")

#: How often a mailbox is tried that found no free connection to the server; each try waits for one for some seconds.
_PATIENCE = 30

#: … and where the server wants a pause, so long is waited between two tries, at most (seconds).
_LONGEST_PAUSE_SECONDS = 15.0


async def run_concurrently(looks: Iterable[Callable[[], Awaitable[_T]]], at_once: int) -> AsyncGenerator[_T, None]:
    """Yield what each of these gives, as soon as it is there, so many at once; the others are cancelled on leaving."""
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
    """Return what `look` gives; where the mail server has no connection free, it is called again later, for minutes."""
    for _ in range(_PATIENCE - 1):
        try:
            return await look()
        except ServerBusy as error:
            await asyncio.sleep(min(error.seconds, _LONGEST_PAUSE_SECONDS))
    return await look()
