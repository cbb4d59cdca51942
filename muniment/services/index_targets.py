"""Where the documents of each store go."""

from __future__ import annotations

from muniment.db import index
from muniment.db.database import Session
from muniment.search import Target
from muniment.services.doors import Doors


async def targets_of(doors: Doors, session: Session) -> list[Target]:
    """Return, for every store, the generation that is searched and the one that is being built."""
    found = await index.generations(session, doors.index.backend)
    return [Target(one.store_id, one.live, one.building) for one in found]
