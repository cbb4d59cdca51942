"""Whether what a process stands on answers: raises what is wrong, returns when all is well."""

from __future__ import annotations

from muniment.db import fleet
from muniment.jobs import Queue
from muniment.services.resources import Resources


async def check_database(resources: Resources) -> None:
    """Return when PostgreSQL answers; DatabaseUnavailable when it cannot be reached."""
    async with resources.database.session() as session:
        await fleet.answer(session)


async def check_broker(resources: Resources) -> None:
    """Return when Redis answers; BrokerUnavailable when it cannot be reached."""
    await resources.queue.depth(Queue.ARCHIVE)
