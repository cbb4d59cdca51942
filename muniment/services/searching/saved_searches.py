"""Saved searches of users; the scheduler runs them on request."""

from __future__ import annotations

from tzlocal import get_localzone

from muniment import log
from muniment.clock import utc_now
from muniment.db import saved_searches, users
from muniment.errors import MunimentError, SearchUnavailable, Transient
from muniment.model.saved_search import SavedSearch
from muniment.search import parse
from muniment.services.access.audit import Action, act, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources
from muniment.services.searching.search_messages import count_matches

_log = log.get(__name__)

#: Maximum number that the scheduler runs in one round.
_ROUND = 5


@audited(Action.SEARCH_SAVED, "user", details=("name", "query"))
async def save_search(principal: Principal, resources: Resources, user: str, name: str, query: str) -> None:
    """Save a query; BadQuery if it is invalid, NotFound if there is no such user, Conflict if the name is taken."""
    principal.require_access_to(user)
    parse(query, now=utc_now(), zone=get_localzone())
    async with resources.database.transaction() as session:
        await saved_searches.add(session, await users.find_id(session, user), name, query)
        await act(session, principal, Action.SEARCH_SAVED, user, details={"name": name, "query": query})


@audited(Action.SEARCH_REMOVED, "user", details=("name",))
async def remove_search(principal: Principal, resources: Resources, user: str, name: str) -> None:
    """Delete a saved search; NotFound if the user or the name does not exist."""
    principal.require_access_to(user)
    async with resources.database.transaction() as session:
        await saved_searches.remove(session, await users.find_id(session, user), name)
        await act(session, principal, Action.SEARCH_REMOVED, user, details={"name": name})


@audited(Action.SEARCHES_LISTED, "user")
async def list_searches(principal: Principal, resources: Resources, user: str | None) -> list[SavedSearch]:
    """Return the saved searches of a user, or of all users; NotFound if there is no such user."""
    principal.require_access_to(user)
    async with resources.database.session() as session:
        return await saved_searches.list_all(session, None if user is None else await users.find_id(session, user))


@audited(Action.SEARCHES_LISTED, "user", details=("name",))
async def find_search(principal: Principal, resources: Resources, user: str, name: str) -> SavedSearch:
    """Return a saved search; NotFound if the user or the name does not exist."""
    principal.require_access_to(user)
    async with resources.database.session() as session:
        return await saved_searches.find(session, await users.find_id(session, user), name)


@audited(Action.SEARCH_REQUESTED, "user", details=("name",))
async def request_search(principal: Principal, resources: Resources, user: str, name: str) -> SavedSearch:
    """Ask the scheduler to run a saved search; return it as it is before the run."""
    principal.require_access_to(user)
    async with resources.database.transaction() as session:
        found = await saved_searches.find(session, await users.find_id(session, user), name)
        await saved_searches.request(session, found.id)
        await act(session, principal, Action.SEARCH_REQUESTED, user, details={"name": name})
    return found


async def run_requested_searches(principal: Principal, resources: Resources) -> None:
    """Run requested searches, each as its user, and store the number of matches.

    If the index does not respond, a later round runs them; other errors are stored with the search.
    """
    principal.require(Right.PROCESS)
    for _ in range(_ROUND):
        async with resources.database.transaction() as session:
            search = await saved_searches.take(session)
            if search is None:
                return
            try:
                user = Principal.archive_user(search.user_name)
                results, error = await count_matches(user, resources, search.query), None
            except SearchUnavailable as away:
                _log.warning("a saved search waits for the index", search=search.id, error=str(away))
                return
            except Transient:
                raise
            except MunimentError as wrong:
                results, error = None, str(wrong)
            await saved_searches.finish(session, search.id, results, error)
