"""What services need of a queue."""

from __future__ import annotations

from typing import Protocol


class Queue(Protocol):
    """Carries tasks to workers; may lose them, and PostgreSQL will know."""

    async def publish(self, task: str, *ids: int) -> None:
        """Send a task with its ids; BrokerUnavailable when it cannot be sent."""
        ...

    async def depth(self, queue: str) -> int:
        """Return how many tasks wait in a queue; BrokerUnavailable when that cannot be known."""
        ...

    async def close(self) -> None:
        """Free the connections."""
        ...
