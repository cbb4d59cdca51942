"""Find archived messages."""

from __future__ import annotations

from muniment.db import users
from muniment.errors import Misconfigured
from muniment.search import Hit
from muniment.services.doors import Doors


async def search_messages(doors: Doors, query: str, *, user: str | None = None, limit: int = 50) -> list[Hit]:
    """Return the newest matches, in one user's archive or in all; NotFound when there is no such user."""
    if not query.strip():
        raise Misconfigured("nothing to search for", hint='Give words, "a phrase", one OR another, or -without.')
    async with doors.database.session() as session:
        user_id = None if user is None else await users.find_id(session, user)
        return await doors.index.search(session, query, user_id=user_id, limit=limit)
