"""Whether what a process stands on answers: raises what is wrong, returns when all is well."""

from __future__ import annotations

from muniment.db import fleet
from muniment.jobs import Queue
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources


async def check_database(principal: Principal, resources: Resources) -> None:
    """Return when PostgreSQL answers; DatabaseUnavailable when it cannot be reached."""
    principal.require(Right.PROCESS)
    async with resources.database.session() as session:
        await fleet.answer(session)


async def check_broker(principal: Principal, resources: Resources) -> None:
    """Return when Redis answers; BrokerUnavailable when it cannot be reached."""
    principal.require(Right.PROCESS)
    await resources.queue.depth(Queue.ARCHIVE)
