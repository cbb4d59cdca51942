"""Full-text search: a port with two implementations, one in PostgreSQL and one in OpenSearch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muniment.lazily import lazily
from muniment.search.parser import parse, parse_query
from muniment.search.port import Change, Facet, IndexFailure, Match, Matches, Request, SearchIndex, Sort, Target

if TYPE_CHECKING:
    from muniment.search.memory import MemoryIndex
    from muniment.search.opensearch import OpenSearchIndex
    from muniment.search.postgres import PostgresIndex

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
    "parse_query",
]

__getattr__ = lazily(__name__, {"MemoryIndex": "memory", "OpenSearchIndex": "opensearch", "PostgresIndex": "postgres"})
