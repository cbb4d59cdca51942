"""JSON of searches and their results."""

from __future__ import annotations

from muniment.model.saved_search import SavedSearch
from muniment.services.searching.search_messages import Found, Hit
from muniment.shapes.values import utc


def found_shape(found: Found) -> dict[str, object]:
    """`total` (number of matching messages), `hits[…]` (the current page: `sha256` (hex), `date` (from the header, or
    null), `subject`, `sender`, `size` (bytes), `places[{user, folder[], uid}]` (folder: the mailbox's address, then the
    server's path), `snippet[{text, match}]` (null without --snippets)), `facets{sender, year, folder, type}` (each
    maps values to counts; empty without --facets), `next` (name of the next page, or empty), `lacking` (messages that
    are not indexed yet or were refused by the index, counted up to 10,000), `paused` (why indexing is paused, or
    empty), `notes[…]` (how the query was understood where that is not obvious, and what the result lacks).
    """
    return {
        "total": found.total,
        "hits": [hit_shape(hit) for hit in found.hits],
        "facets": {facet.value: values for facet, values in found.facets.items()},
        "next": found.following,
        "lacking": found.lacking,
        "paused": found.paused,
        "notes": list(found.notes),
    }


def hit_shape(hit: Hit) -> dict[str, object]:
    """Return one search result."""
    pieces = None if hit.snippet is None else [{"text": text, "match": match} for text, match in hit.snippet.pieces]
    return {
        "sha256": hit.sha256.hex(),
        "date": utc(hit.date),
        "subject": hit.subject,
        "sender": hit.sender,
        "size": hit.size,
        "places": [{"user": place.user, "folder": list(place.folder), "uid": place.uid} for place in hit.places],
        "snippet": pieces,
    }


def search_shape(search: SavedSearch) -> dict[str, object]:
    """`user`, `name`, `query`, `created`, `requested` (when a run was requested; null: none pending), `last_run`,
    `results` (number of results of the last run), `error` (why the last run failed, or null).
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
