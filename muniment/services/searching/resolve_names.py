"""Resolve names in queries, among those that may be read: folders and archives to ids, `me` to addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from muniment.db import search_scope
from muniment.db.database import Session
from muniment.errors import Misconfigured
from muniment.search import globs
from muniment.search.query import All, Any, InArchive, InArchives, InFolder, InFolders, Mine, Not, Phrase, Query
from muniment.search.words import fold, wanted_words

#: Maximum number of ids in one condition.
MOST_IDS = 50_000
#: Maximum number of a user's addresses in one condition.
_MOST_ADDRESSES = 50


@dataclass(frozen=True)
class Resolved:
    """A query with ids, and notes on names that fit nothing."""

    query: Query
    notes: tuple[str, ...]


@dataclass
class _Resolver:
    """What may be read, fetched once for each query."""

    session: Session
    archives: tuple[int, ...] | None
    notes: list[str] = field(default_factory=list)
    _paths: list[tuple[int, list[str]]] | None = None

    async def resolve(self, query: Query) -> Query:  # noqa: PLR0911 - a case for each kind
        match query:
            case All(parts):
                return All(tuple([await self.resolve(part) for part in parts]))
            case Any(parts) if parts and all(isinstance(part, InFolder) for part in parts):
                return await self._in_folders([part for part in parts if isinstance(part, InFolder)])
            case Any(parts):
                return Any(tuple([await self.resolve(part) for part in parts]))
            case Not(part):
                return Not(await self.resolve(part))
            case InFolder():
                return await self._in_folders([query])
            case InArchive(name):
                return await self._in_archive(name)
            case Mine(where):
                return Any(tuple([Phrase(where, words) for words in await self._addresses() if words]))
            case _:
                return query

    async def _in_folders(self, wanted: Sequence[InFolder]) -> InFolders:
        paths = await self._folders()
        ids = {id_ for part in wanted for id_, path in paths if _contains(path, part.names)}
        name = "/".join(wanted[0].names)
        if not ids:
            self.notes.append(f"no folder is called {name}")
        return InFolders(_few(tuple(sorted(ids)), name))

    async def _in_archive(self, name: str) -> InArchives:
        fits = globs.matcher(globs.simplified(fold(name)))
        users = await search_scope.archives_of(self.session, self.archives)
        ids = tuple(user.id for user in users if fits(fold(user.name)))
        if not ids:
            self.notes.append(f"no archive that may be read is called {name}")
        return InArchives(_few(ids, name))

    async def _folders(self) -> list[tuple[int, list[str]]]:
        if self._paths is None:
            rows = await search_scope.folders_of(self.session, self.archives)
            self._paths = [
                (row.id, "/".join(fold(name) for name in (row.address, *row.path)).split("/")) for row in rows
            ]
        return self._paths

    async def _addresses(self) -> list[tuple[str, ...]]:
        if self.archives is None:
            raise Misconfigured(
                "nobody is meant by me", hint="Search as a user, or write the address: to:anna@example.com."
            )
        addresses = await search_scope.addresses_of(self.session, self.archives)
        return [tuple(word.word for word in wanted_words(address)) for address in addresses[:_MOST_ADDRESSES]]


async def resolve_names(session: Session, query: Query, archives: tuple[int, ...] | None) -> Resolved:
    """Return the query with ids; Misconfigured if a name matches too many folders, or if nobody is meant by `me`."""
    resolver = _Resolver(session, archives)
    resolved = await resolver.resolve(query)
    return Resolved(resolved, tuple(resolver.notes))


def _contains(path: Sequence[str], names: Sequence[str]) -> bool:
    """Whether a folder is one whose path contains these names in sequence, or is below it."""
    fits = [globs.matcher(globs.simplified(name)) for name in names]
    return any(
        all(fit(name) for fit, name in zip(fits, path[start:], strict=False))
        for start in range(len(path) - len(names) + 1)
    )


def _few(ids: tuple[int, ...], name: str) -> tuple[int, ...]:
    if len(ids) > MOST_IDS:
        raise Misconfigured(f"more than {MOST_IDS:,} folders fit {name}", hint="Give more of the path.")
    return ids
