"""Compare the ids in the index with those in the archive, both ways, and repair differences."""

from __future__ import annotations

from datetime import timedelta

from muniment import log
from muniment.clock import utc_now
from muniment.db import generations, index_problems, messages, outbox
from muniment.db.database import Session
from muniment.db.generations import Generation
from muniment.search import Target
from muniment.services.access.audit import Action, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.indexing.index_targets import list_generations, target_of
from muniment.services.resources import Resources

_log = log.get(__name__)

#: Number of ids compared at once; OpenSearch returns no more in one response.
PAGE = 10_000

#: A comparison stops after it has put this many messages into the outbox.
MOST_WAITING = 20_000


async def reconcile_index(resources: Resources, generation: Generation) -> tuple[int, int]:
    """Put messages missing in the index, and orphans (documents without a message), into the outbox; count both.

    Messages that wait in the outbox, or that the index refused, are not counted. Ends early if there are many
    differences; the next comparison continues once they are indexed. Does nothing if another process is comparing.
    """
    store_id, target = generation.store_id, target_of(generation)
    await resources.index.prepare([target])
    missing = orphans = after = 0
    complete = False
    while not complete:
        async with resources.database.transaction() as session:
            if not await generations.try_tend(session, store_id):
                return missing, orphans
            lacking, unknown, after, complete = await _compare(resources, session, target, after)
            await outbox.add(session, store_id, sorted(lacking | unknown))
            missing += len(lacking)
            orphans += len(unknown)
            if missing + orphans >= MOST_WAITING:
                break
    if complete:
        async with resources.database.transaction() as session:
            await generations.reconciled(session, store_id, resources.index.backend, missing, orphans)
    if missing or orphans:
        _log.warning("index repaired", store=generation.store_name, missing=missing, orphans=orphans)
    return missing, orphans


@audited(Action.INDEX_COMPARED, "store")
async def compare_indexes(principal: Principal, resources: Resources, store: str | None) -> list[tuple[str, int, int]]:
    """Compare the index of one store, or of all, with the archive.

    Returns, for each store, its name, the number of messages missing in the index, and the number of orphans.
    NotFound if there is no such store.
    """
    principal.require(Right.ADMIN)
    found = await list_generations(resources, store)
    return [(generation.store_name, *await reconcile_index(resources, generation)) for generation in found]


def is_due(generation: Generation, hours: float) -> bool:
    """Whether the last comparison of a store's index is older than `hours`."""
    return generation.reconciled is None or utc_now() - generation.reconciled > timedelta(hours=hours)


async def _compare(
    resources: Resources, session: Session, target: Target, after: int
) -> tuple[set[int], set[int], int, bool]:
    """Compare the ids above `after`; return missing ids, orphans, the last id compared, and whether it was the end.

    The order of the queries makes the comparison safe while mail is archived: a stored message that no longer waits in
    the outbox was indexed before the index is queried, and an id found only in the index is looked up in the archive
    again.
    """
    store_id = target.store_id
    stored = await messages.ids_after(session, store_id, after, PAGE)
    excused = await index_problems.excused(session, store_id, stored)
    found = await session.keep_alive(resources.index.ids(target, after, PAGE))
    ends = [ids[-1] for ids in (stored, found) if len(ids) == PAGE]
    last = min(ends) if ends else max([*stored, *found], default=after)
    in_archive = {message for message in stored if message <= last}
    in_index = {message for message in found if message <= last}
    unknown = in_index - in_archive
    if unknown:
        unknown -= set(await messages.existing(session, store_id, sorted(unknown)))
        unknown -= await index_problems.excused(session, store_id, sorted(unknown))
    return in_archive - in_index - excused, unknown, last, not ends
