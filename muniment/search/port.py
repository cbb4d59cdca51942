"""What services need of a search index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from muniment.db.database import Session
from muniment.model.document import Document
from muniment.search.query import Query


class Sort(StrEnum):
    """The order of what is found: by the places where the words stand, or by date; the newest first in both."""

    RELEVANCE = "relevance"
    DATE = "date"


#: Values that a facet has at most.
FACET_VALUES = 20


class Facet(StrEnum):
    """What matches are counted by; folders by their ids."""

    SENDER = "sender"
    YEAR = "year"
    FOLDER = "folder"
    TYPE = "type"


@dataclass(frozen=True)
class IndexFailure:
    """A message that the index refused, or of which it took only a part (`indexed`), and why."""

    store_id: int
    message_id: int
    reason: str
    indexed: bool = False


@dataclass(frozen=True)
class Match:
    """A message that matches; `date` and `score` are what it is sorted by."""

    store_id: int
    message_id: int
    score: float
    date: datetime


@dataclass(frozen=True)
class Request:
    """A search.

    `archives`: ids of the users whose archives may be read, None: of everybody's; nothing else is ever
    found, counted or sorted by. `folders`: those that the facet may name, None: all. `after`: the last match of the page
    before.
    """

    query: Query
    archives: tuple[int, ...] | None
    folders: tuple[int, ...] | None = None
    sort: Sort = Sort.DATE
    limit: int = 50
    after: Match | None = None
    facets: bool = False


@dataclass(frozen=True)
class Matches:
    """A page of matches, how many there are in all, and facets where they were asked for, the most frequent first."""

    page: list[Match]
    total: int
    facets: dict[Facet, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """Where a store's documents go: its living generation, and the one that is being built, if any."""

    store_id: int
    live: int
    building: int | None = None


@dataclass(frozen=True)
class Change:
    """A document to put into its store's index, or a message to forget; `building`: only where a new one is built."""

    store_id: int
    message_id: int
    version: int
    document: Document | None
    building: bool = False


class SearchIndex(Protocol):
    """A derived index: it can be thrown away and made anew from the store."""

    @property
    def backend(self) -> str:
        """Its name, under which the database keeps what it knows of this index."""
        ...

    async def prepare(self, targets: Sequence[Target]) -> None:
        """Make sure that it can take documents of these stores; SearchUnavailable when it does not answer."""
        ...

    async def apply(self, session: Session, targets: Sequence[Target], changes: Sequence[Change]) -> list[IndexFailure]:
        """Make changes, unless a later version is there already; return those that were refused, or taken in part.

        `session` is the transaction that takes the messages out of the outbox; an index within PostgreSQL writes in it,
        another one may ignore it. SearchUnavailable: nothing is known of these changes, make them again.
        """
        ...

    async def search(self, session: Session, request: Request) -> Matches:
        """Find messages."""
        ...

    async def count(self, session: Session, target: Target) -> int:
        """Return how many messages of a store it holds."""
        ...

    async def ids(self, session: Session, target: Target, after: int, limit: int) -> list[int]:
        """Return the next ids, in their order, of a store's messages that it holds."""
        ...

    async def promote(self, session: Session, target: Target) -> None:
        """Let searches see the generation that was built, instead of the living one; may be repeated."""
        ...

    async def discard(self, session: Session, store_id: int, generation: int) -> None:
        """Forget a generation that nobody searches; may be repeated."""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...
