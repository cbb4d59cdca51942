"""Searches and what they find."""

from __future__ import annotations

from muniment.model.saved_search import SavedSearch
from muniment.services.searching.search_messages import Found, Hit
from muniment.shapes.values import utc


def found_shape(found: Found) -> dict[str, object]:
    """`total` (messages that match in all), `hits[…]` (this page: `sha256` (hex), `date` (of the header, may be null),
    `subject`, `sender`, `size` (bytes), `places[{user, folder[], uid}]` (folder: the mailbox's address, then the
    server's path), `snippet[{text, match}]` (may be null)), `facets{sender, year, folder, type}` (each: value to count;
    empty without --facets), `next` (names the next page, may be empty), `lacking` (messages that wait for the index or
    were refused by it, counted up to 10,000), `paused` (why the index takes nothing at present, may be empty).
    """
    return {
        "total": found.total,
        "hits": [hit_shape(hit) for hit in found.hits],
        "facets": {facet.value: values for facet, values in found.facets.items()},
        "next": found.following,
        "lacking": found.lacking,
        "paused": found.paused,
    }


def hit_shape(hit: Hit) -> dict[str, object]:
    """Return a message that was found."""
    pieces = None if hit.snippet is None else [{"text": text, "match": match} for text, match in hit.snippet.pieces]
    return {
        "sha256": hit.sha256.hex(),
        "date": utc(hit.date),
        "subject": hit.subject,
        "sender": hit.sender,
        "size": hit.size,
        "places": [{"user": one.user, "folder": list(one.folder), "uid": one.uid} for one in hit.places],
        "snippet": pieces,
    }


def search_shape(search: SavedSearch) -> dict[str, object]:
    """`user`, `name`, `query`, `created`, `requested` (to be run; null: not), `last_run`, `results` (count of the last
    run), `error` (why it failed, or null).
    """
    return {
        "user": search.user_name,
        "name": search.name,
        "query": search.query,
        "created": utc(search.created),
        "requested": utc(search.requested),
        "last_run": utc(search.last_run),
        "results": search.results,
        "error": search.error,
    }
