"""Resolve names of folders and archives in queries to ids, among those that may be read."""

from __future__ import annotations

import re

from muniment.db import search_scope
from muniment.db.database import Session
from muniment.errors import Misconfigured
from muniment.search.query import All, Any, InArchive, InArchives, InFolder, InFolders, Not, Query
from muniment.search.words import fold

#: Maximum number of ids in one condition.
MOST_IDS = 50_000


async def resolve_names(session: Session, query: Query, archives: tuple[int, ...] | None) -> Query:
    """Return the query with ids; Misconfigured if a name matches too many folders."""
    match query:
        case All(parts):
            return All(tuple([await resolve_names(session, part, archives) for part in parts]))
        case Any(parts):
            return Any(tuple([await resolve_names(session, part, archives) for part in parts]))
        case Not(part):
            return Not(await resolve_names(session, part, archives))
        case InFolder(names):
            return InFolders(_few(await _folders(session, names, archives), "/".join(names)))
        case InArchive(name):
            fits = _pattern(fold(name))
            users = await search_scope.archives_of(session, archives)
            return InArchives(_few(tuple(user.id for user in users if fits.fullmatch(fold(user.name))), name))
        case _:
            return query


async def _folders(session: Session, names: tuple[str, ...], archives: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the folders whose path contains these names in sequence, and the folders below them."""
    fits = _pattern("/" + "/".join(names) + "/")
    folders = await search_scope.folders_of(session, archives)
    return tuple(
        folder.id
        for folder in folders
        if fits.search("/" + "/".join(fold(name) for name in (folder.address, *folder.path)) + "/")
    )


def _pattern(text: str) -> re.Pattern[str]:
    """Return a pattern in which `*` and `?` match anything but a slash."""
    return re.compile(re.escape(text).replace(r"\*", "[^/]*").replace(r"\?", "[^/]"))


def _few(ids: tuple[int, ...], name: str) -> tuple[int, ...]:
    if len(ids) > MOST_IDS:
        raise Misconfigured(f"more than {MOST_IDS:,} folders fit {name}", hint="Give more of the path.")
    return ids
