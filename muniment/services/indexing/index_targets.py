"""The index of each store, and where its documents go."""

from __future__ import annotations

from muniment.db import generations
from muniment.db.database import Session
from muniment.db.generations import Generation
from muniment.errors import NotFound
from muniment.search import Target
from muniment.services.resources import Resources


async def list_generations(resources: Resources, store: str | None = None) -> list[Generation]:
    """Return how the index of every store stands, or that of the store of this name; NotFound when there is none."""
    async with resources.database.session() as session:
        found = await generations.list_all(session, resources.index.backend)
    chosen = [one for one in found if store is None or one.store_name == store]
    if store is not None and not chosen:
        raise NotFound(f"there is no archive store {store}", hint="`muniment status` shows all stores.")
    return chosen


async def targets_of(resources: Resources, session: Session) -> list[Target]:
    """Return, for every store, the generation that is searched and the one that is being built."""
    found = await generations.list_all(session, resources.index.backend)
    return [Target(one.store_id, one.live, one.building) for one in found]
