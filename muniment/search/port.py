"""The interface that services require of a search index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from muniment.model.document import Document
from muniment.search.query import Query


class Sort(StrEnum):
    """The order of matches: by relevance (where the words occur) and then by date, or by date; newest first."""

    RELEVANCE = "relevance"
    DATE = "date"


#: Maximum number of values of a facet.
FACET_VALUES = 20


class Facet(StrEnum):
    """The properties by which matches are counted; folders are identified by id."""

    SENDER = "sender"
    YEAR = "year"
    FOLDER = "folder"
    TYPE = "type"


@dataclass(frozen=True)
class IndexFailure:
    """A message that the index refused or (if `indexed`) indexed only in part, and why."""

    store_id: int
    message_id: int
    reason: str
    indexed: bool = False


@dataclass(frozen=True)
class Match:
    """A message that matches; `date` and `score` are its sort keys."""

    store_id: int
    message_id: int
    score: float
    date: datetime


@dataclass(frozen=True)
class Request:
    """A search.

    `archives`: ids of the users whose archives may be read; None: all archives. Messages in other archives are never
    found, counted or used for sorting. `folders`: ids of folders that the facet may list; None: all. `after`: the last
    match of the previous page. `seconds`: how long the search may take.
    """

    query: Query
    archives: tuple[int, ...] | None
    folders: tuple[int, ...] | None = None
    sort: Sort = Sort.DATE
    limit: int = 50
    after: Match | None = None
    facets: bool = False
    seconds: float = 60.0


@dataclass(frozen=True)
class Matches:
    """A page of matches, the total number of matches and, if requested, facets with the most frequent values first."""

    page: list[Match]
    total: int
    facets: dict[Facet, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """Where the documents of a store go: its live generation and the one being built, if any."""

    store_id: int
    live: int
    building: int | None = None


@dataclass(frozen=True)
class Change:
    """A document to add, or (None) a message to remove; `building`: only in the generation being built."""

    store_id: int
    message_id: int
    version: int
    document: Document | None
    building: bool = False


class SearchIndex(Protocol):
    """A derived index: it can be thrown away and rebuilt from the archive.

    An index opens its own connections; no method takes part in the caller's transaction. All changes are idempotent:
    the caller repeats a change until the method returns, and only then removes it from the outbox.
    """

    @property
    def backend(self) -> str:
        """The name under which the database stores the generations of this index."""
        ...

    async def prepare(self, targets: Sequence[Target]) -> None:
        """Make sure that the index can accept documents of these stores; SearchUnavailable if it does not respond."""
        ...

    async def apply(self, targets: Sequence[Target], changes: Sequence[Change]) -> list[IndexFailure]:
        """Apply changes unless the index has a later version; return those that it refused or indexed only in part.

        SearchUnavailable: some changes may not have been applied; repeat all of them.
        """
        ...

    async def search(self, request: Request) -> Matches:
        """Find messages; SearchTooSlow if that takes longer than it may, TooComplex if too many words fit."""
        ...

    async def count(self, target: Target) -> int:
        """Return the number of messages of a store in the index."""
        ...

    async def ids(self, target: Target, after: int, limit: int) -> list[int]:
        """Return up to `limit` ids above `after`, in order, of a store's messages in the index."""
        ...

    async def promote(self, target: Target) -> None:
        """Switch searches from the live generation to the one that was built; idempotent."""
        ...

    async def discard(self, store_id: int, generation: int) -> None:
        """Delete a generation that is not searched; idempotent."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...
