"""The queue's interface for services."""

from __future__ import annotations

from typing import Protocol


class Queue(Protocol):
    """Carries tasks to workers. It may lose tasks: PostgreSQL knows which ones to send again."""

    async def publish(self, task: str, *ids: int) -> None:
        """Send a task with its ids; raise BrokerUnavailable if that fails."""
        ...

    async def depth(self, queue: str) -> int:
        """Return the number of waiting tasks in a queue; raise BrokerUnavailable if it is unknown."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...
