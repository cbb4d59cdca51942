"""Saved searches, each owned by a user."""

from __future__ import annotations

from muniment.db.database import Session
from muniment.db.sql import load
from muniment.errors import Conflict, NotFound
from muniment.model.saved_search import SavedSearch

_SQL = load("saved_searches")


async def add(session: Session, user_id: int, name: str, query: str) -> None:
    """Save a search; Conflict if the user already has one with this name."""
    try:
        await session.value(_SQL["add"], user_id, name, query)
    except Conflict as error:
        raise Conflict(
            f"saved search {name} already exists", hint="Remove it first, or choose another name."
        ) from error


async def remove(session: Session, user_id: int, name: str) -> None:
    """Remove a search; NotFound if the user has none with this name."""
    if await session.value(_SQL["remove"], user_id, name) is None:
        raise _missing(name)


async def list_all(session: Session, user_id: int | None) -> list[SavedSearch]:
    """Return the searches of a user, or (None) of all users."""
    return await session.rows(SavedSearch, _SQL["list"], user_id)


async def find(session: Session, user_id: int, name: str) -> SavedSearch:
    """Return a search; NotFound if the user has none with this name."""
    found = await session.row(SavedSearch, _SQL["find"], user_id, name)
    if found is None:
        raise _missing(name)
    return found


async def request(session: Session, search_id: int) -> None:
    """Request that the scheduler executes a search."""
    await session.execute(_SQL["request"], search_id)


async def take(session: Session) -> SavedSearch | None:
    """Lock and return a requested search; requires a transaction."""
    return await session.row(SavedSearch, _SQL["take"])


async def finish(session: Session, search_id: int, results: int | None, error: str | None) -> None:
    """Store the number of results, or why the search failed."""
    await session.execute(_SQL["finish"], search_id, results, error)


def _missing(name: str) -> NotFound:
    return NotFound(f"there is no saved search {name}", hint="`muniment saved-search list` shows all saved searches.")
