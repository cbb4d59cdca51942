"""Find archived messages."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

import msgspec
from tzlocal import get_localzone

from muniment.clock import utc_now
from muniment.db import index_coverage, index_pause, search_scope
from muniment.db.search_scope import FiledRow
from muniment.errors import Misconfigured, SearchTooSlow
from muniment.search import Facet, Match, Matches, Request, Sort, parse_query
from muniment.search.delivered import with_deliveries
from muniment.services.access.audit import Action, audited
from muniment.services.access.principal import Principal
from muniment.services.access.readable_archives import readable_archives
from muniment.services.resources import Resources
from muniment.services.searching.mark_matches import Snippet
from muniment.services.searching.resolve_names import resolve_names

#: Messages that wait for the index are counted up to this number.
MOST_COUNTED = 10_000

_PAGE_MARK = "m1"
_LEAST_SECONDS = 0.001
_GRACE_SECONDS = 10.0


@dataclass(frozen=True)
class Place:
    """Where a message is filed, in an archive that may be read; `folder`: the mailbox's address, then the path."""

    user: str
    folder: tuple[str, ...]
    uid: int


@dataclass(frozen=True)
class Hit:
    """A message that matches, with its places."""

    store_id: int
    message_id: int
    sha256: bytes
    date: datetime | None
    subject: str
    sender: str
    size: int
    places: tuple[Place, ...]
    snippet: Snippet | None = None


@dataclass(frozen=True)
class Found:
    """A page of hits.

    `total`: number of matches on all pages. `following`: name of the next page, empty on the last. `lacking`: messages
    that cannot be found yet (counted up to `MOST_COUNTED`). `paused`: why the index accepts no writes. `notes`: how the
    query was understood where that is not obvious, and what the result lacks.
    """

    hits: list[Hit]
    total: int
    facets: dict[Facet, dict[str, int]] = field(default_factory=dict)
    following: str = ""
    lacking: int = 0
    paused: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Search:
    """What to search for. `page`: `Found.following` of the previous page; `zone`: time zone of days in the query."""

    query: str
    sort: Sort = Sort.DATE
    limit: int = 50
    page: str = ""
    facets: bool = False
    snippets: bool = False
    zone: tzinfo | None = None


@audited(Action.ARCHIVE_SEARCHED, "principal.user", details=("search.query",), own=False)
async def search_messages(principal: Principal, resources: Resources, search: Search) -> Found:
    """Return a page of messages in archives that the principal may read.

    BadQuery if the query is invalid, NotFound and Forbidden as in `readable_archives`, SearchUnavailable if the index
    does not respond, SearchTooSlow after `search_seconds`. No database connection is held while the index searches.
    """
    until = time.monotonic() + resources.settings.search_seconds
    parsed = parse_query(search.query, now=utc_now(), zone=search.zone or get_localzone())
    async with resources.database.session() as session:
        archives = await readable_archives(session, resources.settings, principal)
        resolved = await resolve_names(session, parsed.query, archives)
        folders = await search_scope.folders_of(session, archives) if search.facets else []
    request = Request(
        with_deliveries(resolved.query, archives),
        archives,
        folders=None if archives is None else tuple(folder.id for folder in folders),
        sort=search.sort,
        limit=search.limit,
        after=_unpacked(search) if search.page else None,
        facets=search.facets,
        seconds=max(_LEAST_SECONDS, until - time.monotonic()),
    )
    matches = await _matches(resources, request)
    async with resources.database.session() as session:
        keys = [(match.store_id, match.message_id) for match in matches.page]
        hits = _hits(matches, await search_scope.places_of(session, keys, archives))
        paused = await index_pause.find(session)
        lacking = await index_coverage.lacking(session, MOST_COUNTED)
    notes = [*parsed.notes, *resolved.notes]
    if search.snippets:
        # What reads messages takes longer to import than most searches take.
        from muniment.services.searching.snippets import with_snippets  # noqa: PLC0415 - see above

        hits = [hit async for hit in with_snippets(resources, parsed.query, hits, until)]
        if time.monotonic() >= until:
            notes.append("snippets are missing: the search took longer than it may")
    names = {str(folder.id): "/".join((folder.address, *folder.path)) for folder in folders}
    return Found(
        hits,
        matches.total,
        facets=_named(matches, names),
        following=_packed(search, matches.page[-1]) if len(matches.page) == search.limit else "",
        lacking=lacking,
        paused=paused.reason if paused else "",
        notes=tuple(notes),
    )


async def _matches(resources: Resources, request: Request) -> Matches:
    """Ask the index, which limits the time; the limit here is for one that does not answer at all."""
    try:
        async with asyncio.timeout(request.seconds + _GRACE_SECONDS):
            return await resources.index.search(request)
    except TimeoutError as error:
        raise SearchTooSlow from error


async def count_matches(principal: Principal, resources: Resources, query: str) -> int:
    """Return the number of matches in archives that the principal may read."""
    found = await search_messages(principal, resources, Search(query, limit=1))
    return found.total


def _hits(matches: Matches, rows: Sequence[FiledRow]) -> list[Hit]:
    """Return the matches with their places, except those that have lost their last place since they were indexed."""
    by_message: dict[tuple[int, int], list[FiledRow]] = {}
    for row in rows:
        by_message.setdefault((row.store_id, row.message_id), []).append(row)
    found = [by_message.get((match.store_id, match.message_id), []) for match in matches.page]
    return [_hit(places) for places in found if places]


def _hit(rows: Sequence[FiledRow]) -> Hit:
    row = rows[0]
    places = tuple(Place(place.user_name, (place.address, *place.path), place.uid) for place in rows)
    return Hit(row.store_id, row.message_id, row.sha256, row.date, row.subject, row.sender, row.size, places)


def _named(matches: Matches, folders: dict[str, str]) -> dict[Facet, dict[str, int]]:
    """Return the facets with names of folders, without folders that may not be seen."""
    facets = dict(matches.facets)
    if Facet.FOLDER in facets:
        named: dict[str, int] = {}
        for key, count in facets[Facet.FOLDER].items():
            if key in folders:
                named[folders[key]] = named.get(folders[key], 0) + count
        facets[Facet.FOLDER] = named
    return facets


def _packed(search: Search, last: Match) -> str:
    """Return the name of the page after `last`; it reveals nothing that the hits do not show."""
    fields = (
        *(_PAGE_MARK, _of(search), last.score, round(last.date.timestamp() * 1000)),
        *(last.message_id, last.store_id),
    )
    return base64.urlsafe_b64encode(msgspec.json.encode(fields)).decode().rstrip("=")


def _unpacked(search: Search) -> Match:
    """Return the last match of the previous page; Misconfigured if the name belongs to another search."""
    try:
        packed = base64.urlsafe_b64decode(search.page + "=" * (-len(search.page) % 4))
        mark, of, score, date, message_id, store_id = msgspec.json.decode(
            packed, type=tuple[str, str, float, int, int, int]
        )
        moment = datetime.fromtimestamp(date / 1000, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Misconfigured("this names no page", hint="Give the name that the page before ended with.") from error
    if mark != _PAGE_MARK or of != _of(search):
        raise Misconfigured("this page belongs to another search", hint="Use the same query and the same order.")
    return Match(store_id, message_id, score, moment)


def _of(search: Search) -> str:
    return hashlib.sha256(f"{search.sort.value} {search.query}".encode()).hexdigest()[:12]
