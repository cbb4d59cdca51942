"""Full-text search: a port with two implementations, one in PostgreSQL and one in OpenSearch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from muniment.search.memory import MemoryIndex
from muniment.search.parser import parse
from muniment.search.port import Change, Facet, IndexFailure, Match, Matches, Request, SearchIndex, Sort, Target
from muniment.search.postgres import PostgresIndex

if TYPE_CHECKING:
    from muniment.search.opensearch import OpenSearchIndex

__all__ = [
    "Change",
    "Facet",
    "IndexFailure",
    "Match",
    "Matches",
    "MemoryIndex",
    "OpenSearchIndex",
    "PostgresIndex",
    "Request",
    "SearchIndex",
    "Sort",
    "Target",
    "parse",
]


def __getattr__(name: str) -> Any:
    """Import OpenSearch's client on first use: the import takes a quarter of the start-up time."""
    if name == "OpenSearchIndex":
        from muniment.search.opensearch import OpenSearchIndex  # noqa: PLC0415 - see above

        return OpenSearchIndex
    raise AttributeError(name)
