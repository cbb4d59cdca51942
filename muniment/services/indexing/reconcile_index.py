"""Compare the ids in the index with those in the archive, both ways, and heal what differs."""

from __future__ import annotations

from datetime import timedelta

from muniment import log
from muniment.clock import utc_now
from muniment.db import generations, index_problems, messages, outbox
from muniment.db.database import Session
from muniment.db.generations import Generation
from muniment.search import Target
from muniment.services.access.principal import Principal, Right
from muniment.services.indexing.index_targets import list_generations
from muniment.services.resources import Resources

_log = log.get(__name__)

#: Ids that are compared at once; OpenSearch gives so many in one answer.
PAGE = 10_000

#: Messages that wait in the outbox at most while a comparison hands over more.
MOST_WAITING = 20_000


async def reconcile_index(resources: Resources, generation: Generation) -> tuple[int, int]:
    """Hand over what the index lacks, and what it has and the archive has not; return how many of both.

    What waits in the outbox, or was refused by the index, is not counted. Ends early when much is missing: the next
    comparison goes on when that is indexed. Does nothing where another process compares.
    """
    store_id = generation.store_id
    target = Target(store_id, generation.live, generation.building)
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
        _log.warning("index healed", store=generation.store_name, missing=missing, orphans=orphans)
    return missing, orphans


async def compare_indexes(principal: Principal, resources: Resources, store: str | None) -> list[tuple[str, int, int]]:
    """Compare the index of one store, or of all, with the archive.

    Returns, for each store, its name and how many messages are missing in the index and how many only the index has.
    NotFound when there is no such store.
    """
    principal.require(Right.ADMIN)
    return [
        (one.store_name, *await reconcile_index(resources, one)) for one in await list_generations(resources, store)
    ]


def is_due(generation: Generation, hours: float) -> bool:
    """Whether a store's index was not compared for so long."""
    return generation.reconciled is None or utc_now() - generation.reconciled > timedelta(hours=hours)


async def _compare(
    resources: Resources, session: Session, target: Target, after: int
) -> tuple[set[int], set[int], int, bool]:
    """Compare the ids behind `after`; return what is missing, what is too much, the last id, and whether it was the end.

    The order makes the comparison safe while mail is archived: what is stored and does not wait any more when it is
    asked for has been indexed before the index is asked; and what the index has beyond is looked for in the archive
    once more.
    """
    store_id = target.store_id
    stored = await messages.ids_after(session, store_id, after, PAGE)
    excused = await index_problems.excused(session, store_id, stored)
    found = await resources.index.ids(session, target, after, PAGE)
    ends = [ids[-1] for ids in (stored, found) if len(ids) == PAGE]
    last = min(ends) if ends else max([*stored, *found], default=after)
    in_archive = {one for one in stored if one <= last}
    in_index = {one for one in found if one <= last}
    unknown = in_index - in_archive
    if unknown:
        unknown -= set(await messages.existing(session, store_id, sorted(unknown)))
        unknown -= await index_problems.excused(session, store_id, sorted(unknown))
    return in_archive - in_index - excused, unknown, last, not ends
