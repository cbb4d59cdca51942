"""What index workers do besides draining the outbox: rebuilds, comparisons and retries."""

from __future__ import annotations

from muniment.db import generations, index_pause, index_problems, outbox, status
from muniment.db.generations import Generation
from muniment.jobs import INDEX_DRAIN, Queue
from muniment.services.access.principal import Principal, Right
from muniment.services.indexing.drain_outbox import drain_outbox
from muniment.services.indexing.index_targets import list_generations
from muniment.services.indexing.rebuild_index import drive_rebuild, renew_index
from muniment.services.indexing.reconcile_index import MOST_WAITING, is_due, reconcile_index
from muniment.services.resources import Resources

#: Maximum number of index tasks in the broker: each drains many batches, and more would only wait.
MAX_INDEX_TASKS = 8

#: Maximum number of failures retried at once.
_RETRIED = 1000


async def work_at_index(principal: Principal, resources: Resources) -> None:
    """Do what is due for the index, for a bounded time; SearchUnavailable if it accepts no writes."""
    principal.require(Right.PROCESS)
    async with resources.database.session() as session:
        if await index_pause.is_paused(session):
            return
    await tend_index(resources)
    await drain_outbox(resources)
    await tend_index(resources)


async def tend_index(resources: Resources) -> None:
    """Take the next step of every rebuild, begin those of outdated indexes, and run the comparisons that are due."""
    async with resources.database.transaction() as session:
        await index_problems.retry(session, _RETRIED)
    for generation in await list_generations(resources):
        if generation.building is not None:
            await drive_rebuild(resources, generation)
        elif generation.is_outdated:
            await renew_index(resources, generation)
        elif is_due(generation, resources.settings.reconcile_hours) and not await _is_busy(
            resources, generation.store_id
        ):
            await reconcile_index(resources, generation)


def _needs_tending(resources: Resources, generation: Generation) -> bool:
    return (
        generation.building is not None
        or generation.is_outdated
        or is_due(generation, resources.settings.reconcile_hours)
    )


async def _is_busy(resources: Resources, store_id: int) -> bool:
    """Whether so many messages wait that a comparison, which adds more, should wait as well."""
    async with resources.database.session() as session:
        return await outbox.waiting(session, store_id, MOST_WAITING // 2) >= MOST_WAITING // 2


async def dispatch_index(principal: Principal, resources: Resources) -> None:
    """Send index tasks while there is more work than the tasks in the broker will do."""
    principal.require(Right.PROCESS)
    async with resources.database.session() as session:
        if await index_pause.is_paused(session):
            return
        depth = await status.outbox_depth(session)
        found = await generations.list_all(session, resources.index.backend)
        due = await index_problems.is_retry_due(session)
    tending = due or any(_needs_tending(resources, generation) for generation in found)
    wanted = min(MAX_INDEX_TASKS, max(-(-depth // resources.settings.index_batch), int(tending)))
    if wanted:
        for _ in range(wanted - await resources.queue.depth(Queue.INDEX)):
            await resources.queue.publish(INDEX_DRAIN)
