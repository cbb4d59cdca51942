"""The byte budget: limits the message bytes that one process holds in memory."""

from __future__ import annotations

import asyncio
from collections import deque


class ByteBudget:
    """Shares a fixed number of bytes fairly among the tasks of one event loop.

    Reservations are granted in FIFO order, so small ones cannot starve a large one.
    A reservation above the limit is granted when nothing else is reserved: a message
    larger than the budget must still be archived.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def used(self) -> int:
        """Bytes currently reserved."""
        return self._used

    def has_room(self, n: int) -> bool:
        """Whether `n` bytes can be reserved now without waiting."""
        return not self._waiting and self._fits(n)

    async def reserve(self, n: int) -> None:
        """Wait until `n` bytes are free and reserve them; return them with `release`."""
        if self.has_room(n):
            self._used += n
            return
        granted = asyncio.get_running_loop().create_future()
        entry = (n, granted)
        self._waiting.append(entry)
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self.release(n)  # granted and cancelled in the same event loop iteration
            else:
                self._waiting.remove(entry)
                self._grant()  # the next waiter may fit now
            raise

    def charge(self, n: int) -> None:
        """Reserve `n` bytes without waiting, even beyond the limit: they are already in memory."""
        self._used += n

    def release(self, n: int) -> None:
        """Return `n` bytes that were reserved or charged."""
        self._used -= n
        self._grant()

    def _fits(self, n: int) -> bool:
        return self._used == 0 or self._used + n <= self._limit

    def _grant(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            n, granted = self._waiting.popleft()
            if not granted.done():  # done: a cancelled waiter that has not run yet
                self._used += n
                granted.set_result(None)
