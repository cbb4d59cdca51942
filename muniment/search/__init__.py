"""Full-text search: a port, and an index in PostgreSQL and one at OpenSearch behind it."""

from muniment.search.opensearch import OpenSearchIndex
from muniment.search.parser import parse
from muniment.search.port import Change, Facet, IndexFailure, Match, Matches, Request, SearchIndex, Sort, Target
from muniment.search.postgres import PostgresIndex

__all__ = [
    "Change",
    "Facet",
    "IndexFailure",
    "Match",
    "Matches",
    "OpenSearchIndex",
    "PostgresIndex",
    "Request",
    "SearchIndex",
    "Sort",
    "Target",
    "parse",
]
