"""Full-text search: a port, and the embedded index in PostgreSQL behind it."""

from muniment.search.port import Hit, IndexFailure, SearchIndex
from muniment.search.postgres import PostgresIndex

__all__ = ["Hit", "IndexFailure", "PostgresIndex", "SearchIndex"]
