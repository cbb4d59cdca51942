"""Health checks of the services that a process depends on: return if healthy, otherwise raise the problem."""

from __future__ import annotations

from muniment.db import fleet
from muniment.jobs import Queue
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources


async def check_database(principal: Principal, resources: Resources) -> None:
    """Return if PostgreSQL responds; raise DatabaseUnavailable if it cannot be reached."""
    principal.require(Right.PROCESS)
    async with resources.database.session() as session:
        await fleet.answer(session)


async def check_broker(principal: Principal, resources: Resources) -> None:
    """Return if Redis responds; raise BrokerUnavailable if it cannot be reached."""
    principal.require(Right.PROCESS)
    await resources.queue.depth(Queue.ARCHIVE)
