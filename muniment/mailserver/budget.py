"""The byte budget: message bytes in flight in one process."""

from __future__ import annotations

import asyncio
from collections import deque


class ByteBudget:
    """A fair share of memory for everybody who fetches on one event loop.

    Reservations are granted first come, first served, so that a large one is not
    overtaken for ever by small ones. One above the limit is granted when it is alone:
    a message larger than the budget must still be archived.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def used(self) -> int:
        """Bytes reserved now."""
        return self._used

    def has_room(self, n: int) -> bool:
        """Whether `n` bytes are to be had now, without waiting."""
        return not self._waiting and self._fits(n)

    async def reserve(self, n: int) -> None:
        """Wait until `n` bytes are free and take them; give them back with `release`."""
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
                self.release(n)  # granted and cancelled in the same round of the loop
            else:
                self._waiting.remove(entry)
                self._grant()  # whoever stood behind may fit
            raise

    def charge(self, n: int) -> None:
        """Take `n` bytes without waiting, even beyond the limit: they are in memory already. Others wait the longer."""
        self._used += n

    def release(self, n: int) -> None:
        """Give back `n` bytes that were reserved or charged."""
        self._used -= n
        self._grant()

    def _fits(self, n: int) -> bool:
        return self._used == 0 or self._used + n <= self._limit

    def _grant(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            n, granted = self._waiting.popleft()
            if not granted.done():  # a cancelled waiter that has not run yet
                self._used += n
                granted.set_result(None)
