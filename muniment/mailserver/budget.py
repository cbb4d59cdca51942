"""The byte budget: limits the message bytes that one process holds in memory."""

from __future__ import annotations

import asyncio
from collections import deque

from muniment.errors import ProtocolViolation, ServerBusy

#: What one UID of an open folder costs, with the sets and lists that are made of it: measured, 772 MiB for 20 million.
UID_BYTES = 40
_LIST_PAUSE_SECONDS = 5.0


class ByteBudget:
    """Shares a fixed number of bytes fairly among the tasks of one event loop.

    Reservations are granted in FIFO order, so small ones cannot starve a large one.
    A reservation above the limit is granted when nothing else is reserved: a message
    larger than the budget must still be archived.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._listed = 0
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

    def widen_list(self, old: int, new: int) -> None:
        """Count a list of UIDs with `new` bytes instead of `old`, without waiting; it is in memory already.

        Lists leave less room for messages, but never none: whoever holds a list needs messages to get rid of it.
        Raises ProtocolViolation if the list alone exceeds the budget, and ServerBusy if it does together with others.
        """
        if new > self._limit:
            raise ProtocolViolation(
                f"the server lists more than {self._limit // UID_BYTES:,} messages in one folder, more than the memory "
                "budget allows",
                hint="If the folder really is that large, raise MUNIMENT_MEMORY_BUDGET_BYTES.",
            )
        others = self._listed - old
        if new > old and others and others + new > self._limit:
            raise ServerBusy(
                "the lists of messages of other mailboxes fill the memory budget of this worker",
                hint="Muniment continues automatically; raise MUNIMENT_MEMORY_BUDGET_BYTES if this happens often.",
                seconds=_LIST_PAUSE_SECONDS,
            )
        self._listed = others + new
        if new < old:
            self._grant()

    def _fits(self, n: int) -> bool:
        return self._used == 0 or self._used + self._listed + n <= self._limit

    def _grant(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            n, granted = self._waiting.popleft()
            if not granted.done():  # done: a cancelled waiter that has not run yet
                self._used += n
                granted.set_result(None)


class ListShare:
    """What the UIDs of one session's open folder hold of the budget; without a budget, nothing is counted."""

    def __init__(self, budget: ByteBudget | None) -> None:
        self._budget = budget
        self._bytes = 0

    def hold(self, uids: int) -> None:
        """Count a list of this many UIDs, if it is longer than any before; raises what `widen_list` raises."""
        size = uids * UID_BYTES
        if self._budget is not None and size > self._bytes:
            self._budget.widen_list(self._bytes, size)
            self._bytes = size

    def clear(self) -> None:
        """Return the share: another folder is opened, or the session ends."""
        if self._budget is not None and self._bytes:
            self._budget.widen_list(self._bytes, 0)
            self._bytes = 0
