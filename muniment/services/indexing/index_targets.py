"""The index generations of each store, to which its documents go."""

from __future__ import annotations

from muniment.db import generations
from muniment.db.database import Session
from muniment.db.generations import Generation
from muniment.errors import NotFound
from muniment.search import Target
from muniment.services.resources import Resources


async def list_generations(resources: Resources, store: str | None = None) -> list[Generation]:
    """Return the generations of every store, or of the store with this name; NotFound if there is none."""
    async with resources.database.session() as session:
        found = await generations.list_all(session, resources.index.backend)
    chosen = [generation for generation in found if store is None or generation.store_name == store]
    if store is not None and not chosen:
        raise NotFound(f"there is no archive store {store}", hint="`muniment status` shows all stores.")
    return chosen


async def targets_of(resources: Resources, session: Session) -> list[Target]:
    """Return, for every store, the generation that is searched and the one that is being built."""
    return [target_of(found) for found in await generations.list_all(session, resources.index.backend)]


def target_of(generation: Generation) -> Target:
    """Return where the documents of a store go."""
    return Target(generation.store_id, generation.live, generation.building)
