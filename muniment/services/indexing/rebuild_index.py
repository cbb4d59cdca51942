"""Rebuild the index of a store next to the live one, while archiving and searching continue.

Everything goes through the outbox. A rebuild hands over the store's messages slice by slice, for the new generation
only; messages that change meanwhile go to both generations. When the outbox has no more rows for the new generation,
searches switch to it. All state is in the database, so any process can continue a rebuild.
"""

from __future__ import annotations

from dataclasses import dataclass

from muniment import log
from muniment.db import generations, outbox
from muniment.db.generations import Generation
from muniment.errors import SearchUnavailable
from muniment.search import SearchIndex, Target
from muniment.services.access.audit import Action, act, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.indexing.index_targets import list_generations, target_of
from muniment.services.resources import Resources

_log = log.get(__name__)

#: Maximum number of messages that a rebuild keeps in the outbox: new mail must not wait long behind them.
SLICE = 5000


@dataclass(frozen=True)
class Begun:
    """A store whose index is being rebuilt; `already`: the rebuild was in progress before."""

    store: str
    already: bool


@audited(Action.INDEX_REBUILT, "store")
async def begin_rebuilds(principal: Principal, resources: Resources, store: str | None) -> list[Begun]:
    """Start rebuilding the index of one store, or of all stores; NotFound if there is no such store."""
    principal.require(Right.ADMIN)
    begun = []
    for generation in await list_generations(resources, store):
        async with resources.database.transaction() as session:
            await generations.exclude(session)
            new = await generations.begin_rebuild(session, generation.store_id, resources.index.backend)
            await act(session, principal, Action.INDEX_REBUILT, generation.store_name, details={"already": not new})
        begun.append(Begun(generation.store_name, already=not new))
    return begun


@audited(Action.INDEX_REBUILD_GIVEN_UP, "store")
async def give_up_rebuilds(principal: Principal, resources: Resources, store: str | None) -> list[str]:
    """Abandon the rebuild of one store, or of all stores, and keep the live index. Return the stores' names."""
    principal.require(Right.ADMIN)
    stopped = []
    for generation in await list_generations(resources, store):
        if generation.building is None:
            continue
        async with resources.database.transaction() as session:
            await generations.exclude(session)
            await generations.give_up_rebuild(session, generation.store_id, resources.index.backend)
            await act(session, principal, Action.INDEX_REBUILD_GIVEN_UP, generation.store_name)
        await _discard(resources.index, generation.store_id, generation.building)
        stopped.append(generation.store_name)
    return stopped


async def renew_index(resources: Resources, generation: Generation) -> None:
    """Begin to rebuild an index whose documents an earlier version of Muniment made."""
    async with resources.database.transaction() as session:
        await generations.exclude(session)
        await generations.begin_rebuild(session, generation.store_id, resources.index.backend)
    _log.info("rebuilding an index made by an earlier version", store=generation.store_name)


async def drive_rebuild(resources: Resources, generation: Generation) -> None:
    """Take the next step of a rebuild; do nothing if another process is taking it."""
    store_id, backend = generation.store_id, resources.index.backend
    async with resources.database.transaction() as session:
        if not await generations.try_tend(session, store_id):
            return
        if generation.upto is None:
            await generations.measure_rebuild(session, store_id, backend)
            return
        room = SLICE - await outbox.waiting(session, store_id, SLICE)
        if room <= 0 or await generations.hand_over_next(session, store_id, backend, room):
            return
        if await outbox.is_building_waiting(session, store_id):
            return
    await _end(resources, generation)


async def _end(resources: Resources, generation: Generation) -> None:
    """Switch searches to the new generation, after everything was handed over and nothing waits in the outbox."""
    store_id, backend = generation.store_id, resources.index.backend
    async with resources.database.transaction() as session:
        if not await generations.try_tend(session, store_id):
            return
        await generations.exclude(session)
        found = await generations.list_all(session, backend)
        now = next(candidate for candidate in found if candidate.store_id == store_id)
        if now.building is None or now.building != generation.building:
            return
        await session.keep_alive(_promote(resources.index, target_of(now)))
        await generations.end_rebuild(session, store_id, backend, now.building)
    _log.info("index rebuilt", store=now.store_name, messages=now.handed)
    await _discard(resources.index, store_id, now.live)


async def _promote(index: SearchIndex, target: Target) -> None:
    await index.prepare([target])
    await index.promote(target)


async def _discard(index: SearchIndex, store_id: int, generation: int) -> None:
    """Delete a generation that is not used; if that fails, it only takes up space."""
    try:
        await index.discard(store_id, generation)
    except SearchUnavailable as error:
        _log.warning("an old index was not deleted", store=store_id, generation=generation, error=str(error))
