"""What index workers do beside draining the outbox: rebuilds, comparisons, and new tries of what failed."""

from __future__ import annotations

from muniment.db import index, status
from muniment.jobs import INDEX_DRAIN, Queue
from muniment.services.doors import Doors
from muniment.services.indexing.drain_outbox import drain_outbox
from muniment.services.indexing.index_targets import generations
from muniment.services.indexing.rebuild_index import drive_rebuild
from muniment.services.indexing.reconcile_index import MOST_WAITING, is_due, reconcile_index

#: Index tasks in the broker at most: each drains many batches, more would only wait.
MAX_INDEX_TASKS = 8

#: Failures that are tried again at once.
_RETRIED = 1000


async def work_at_index(doors: Doors) -> None:
    """Do what there is to do at the index, for a bounded time; SearchUnavailable when it takes nothing."""
    async with doors.database.session() as session:
        if await index.is_paused(session):
            return
    await tend_index(doors)
    await drain_outbox(doors)
    await tend_index(doors)


async def tend_index(doors: Doors) -> None:
    """Take the next step of every rebuild, and compare what is due."""
    async with doors.database.transaction() as session:
        await index.retry(session, _RETRIED)
    for generation in await generations(doors):
        if generation.building is not None:
            await drive_rebuild(doors, generation)
        elif is_due(generation, doors.settings.reconcile_hours) and not await _is_busy(doors, generation.store_id):
            await reconcile_index(doors, generation)


async def _is_busy(doors: Doors, store_id: int) -> bool:
    """Whether so much waits that a comparison, which hands over more, can wait, too."""
    async with doors.database.session() as session:
        return await index.pending_of(session, store_id, MOST_WAITING // 2) >= MOST_WAITING // 2


async def dispatch_index(doors: Doors) -> None:
    """Send index tasks while there is more to do than the tasks in the broker will take."""
    async with doors.database.session() as session:
        if await index.is_paused(session):
            return
        depth = await status.outbox_depth(session)
        found = await index.generations(session, doors.index.backend)
        due = await index.is_retry_due(session)
    tending = due or any(one.building is not None or is_due(one, doors.settings.reconcile_hours) for one in found)
    wanted = min(MAX_INDEX_TASKS, max(-(-depth // doors.settings.index_batch), int(tending)))
    if wanted:
        for _ in range(wanted - await doors.queue.depth(Queue.INDEX)):
            await doors.queue.publish(INDEX_DRAIN)
