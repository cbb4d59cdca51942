"""Maintain the archive stores: start a new one when the current one is full."""

from __future__ import annotations

from muniment import log
from muniment.db import stores
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources

_log = log.get(__name__)


async def tend_stores(principal: Principal, resources: Resources) -> None:
    """Aggregate the counts of the stores and start a new store if one is due; safe to run concurrently."""
    principal.require(Right.PROCESS)
    async with resources.database.session() as session:
        await stores.sum_up(session)
    async with resources.database.transaction() as session:
        name = await stores.begin(session, resources.settings.store_messages)
    if name is not None:
        _log.info("archive store begun", store=name)
