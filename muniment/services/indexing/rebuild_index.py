"""Build a store's index anew beside the living one, while archiving and searching go on.

Everything goes through the outbox: it is handed the store's messages slice by slice, for the new index only, while
whatever changes meanwhile is written to both. When nothing waits any more, searches see the new one. All that is known
stands in the database, so that any process can go on where one was killed.
"""

from __future__ import annotations

from dataclasses import dataclass

from muniment import log
from muniment.db import generations, outbox
from muniment.db.generations import Generation
from muniment.errors import SearchUnavailable
from muniment.search import Target
from muniment.services.access.principal import Principal, Right
from muniment.services.indexing.index_targets import list_generations
from muniment.services.resources import Resources

_log = log.get(__name__)

#: Messages that wait in the outbox for a new index at most: news must not wait long behind them.
SLICE = 5000


@dataclass(frozen=True)
class Begun:
    """A store whose index is being built anew; `already`: it was before."""

    store: str
    already: bool


async def begin_rebuilds(principal: Principal, resources: Resources, store: str | None) -> list[Begun]:
    """Begin to build the index of one store, or of all, anew; NotFound when there is no such store."""
    principal.require(Right.ADMIN)
    begun = []
    for one in await list_generations(resources, store):
        async with resources.database.transaction() as session:
            await generations.exclude(session)
            new = await generations.begin_rebuild(session, one.store_id, resources.index.backend)
        begun.append(Begun(one.store_name, already=not new))
    return begun


async def give_up_rebuilds(principal: Principal, resources: Resources, store: str | None) -> list[str]:
    """Stop building the index of one store, or of all, anew; what was searched stays. Return the stores' names."""
    principal.require(Right.ADMIN)
    stopped = []
    for one in await list_generations(resources, store):
        if one.building is None:
            continue
        async with resources.database.transaction() as session:
            await generations.exclude(session)
            await generations.give_up_rebuild(session, one.store_id, resources.index.backend)
        await _discard(resources, one.store_id, one.building)
        stopped.append(one.store_name)
    return stopped


async def drive_rebuild(resources: Resources, generation: Generation) -> None:
    """Take the next step of a rebuild that is under way; does nothing where another process takes it."""
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
    """Let searches see the new index: everything was handed over, and nothing waits."""
    store_id, backend = generation.store_id, resources.index.backend
    async with resources.database.transaction() as session:
        if not await generations.try_tend(session, store_id):
            return
        await generations.exclude(session)
        now = next(one for one in await generations.list_all(session, backend) if one.store_id == store_id)
        if now.building is None or now.building != generation.building:
            return
        target = Target(store_id, now.live, now.building)
        await resources.index.prepare([target])
        await resources.index.promote(session, target)
        await generations.end_rebuild(session, store_id, backend, now.building)
    _log.info("index built anew", store=now.store_name, messages=now.handed)
    await _discard(resources, store_id, now.live)


async def _discard(resources: Resources, store_id: int, generation: int) -> None:
    """Forget an index that nobody uses; one that cannot be deleted now costs only room, and the next comparison does."""
    async with resources.database.session() as session:
        try:
            await resources.index.discard(session, store_id, generation)
        except SearchUnavailable as error:
            _log.warning("an old index was not deleted", store=store_id, generation=generation, error=str(error))
