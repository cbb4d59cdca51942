"""A queue within the process, for tests and for trying services without a broker."""

from __future__ import annotations

from collections import deque

from muniment.errors import BrokerUnavailable
from muniment.jobs import ROUTES


class MemoryQueue:
    """Keeps tasks until somebody takes them; `lose` and `is_away` play a broker's failures."""

    def __init__(self) -> None:
        self.tasks: deque[tuple[str, tuple[int, ...]]] = deque()
        self.is_away = False

    async def publish(self, task: str, *ids: int) -> None:
        """Append a task; BrokerUnavailable while away."""
        self._check()
        self.tasks.append((task, ids))

    async def depth(self, queue: str) -> int:
        """Return how many tasks of a queue wait; BrokerUnavailable while away."""
        self._check()
        return sum(ROUTES[task] == queue for task, _ in self.tasks)

    def lose(self) -> None:
        """Forget every task, as an emptied Redis does."""
        self.tasks.clear()

    async def close(self) -> None:
        """Nothing to free."""

    def _check(self) -> None:
        if self.is_away:
            raise BrokerUnavailable
