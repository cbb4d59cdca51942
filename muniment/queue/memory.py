"""A queue in memory, for tests and for running services without a broker."""

from __future__ import annotations

from collections import deque

from muniment.errors import BrokerUnavailable
from muniment.jobs import ROUTES


class MemoryQueue:
    """Keeps tasks in a deque; `lose` and `is_away` simulate failures of a broker."""

    def __init__(self) -> None:
        self.tasks: deque[tuple[str, tuple[int, ...]]] = deque()
        self.is_away = False

    async def publish(self, task: str, *ids: int) -> None:
        """Append a task; raise BrokerUnavailable if `is_away`."""
        self._check()
        self.tasks.append((task, ids))

    async def depth(self, queue: str) -> int:
        """Return the number of waiting tasks of a queue; raise BrokerUnavailable if `is_away`."""
        self._check()
        return sum(ROUTES[task] == queue for task, _ in self.tasks)

    def lose(self) -> None:
        """Drop every task, like a Redis that lost its data."""
        self.tasks.clear()

    async def close(self) -> None:
        """Do nothing."""

    def _check(self) -> None:
        if self.is_away:
            raise BrokerUnavailable
