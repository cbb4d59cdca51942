"""Whether what a process stands on answers: raises what is wrong, returns when all is well."""

from __future__ import annotations

from muniment.db import fleet
from muniment.jobs import Queue
from muniment.services.doors import Doors


async def check_database(doors: Doors) -> None:
    """Return when PostgreSQL answers; DatabaseUnavailable when it cannot be reached."""
    async with doors.database.session() as session:
        await fleet.answer(session)


async def check_broker(doors: Doors) -> None:
    """Return when Redis answers; BrokerUnavailable when it cannot be reached."""
    await doors.queue.depth(Queue.ARCHIVE)
