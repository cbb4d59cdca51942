"""Chooses the search index."""

from __future__ import annotations

from muniment import search
from muniment.db.database import Database
from muniment.search import SearchIndex
from muniment.settings import Settings


def open_index(settings: Settings, database: Database) -> SearchIndex:
    """Return the index that the settings choose; it connects when it is used."""
    if settings.opensearch_url is None:
        return search.PostgresIndex(database)
    return search.OpenSearchIndex.open(
        settings.opensearch_url,
        prefix=settings.opensearch_prefix,
        ca_file=settings.opensearch_ca_file,
        certificate=settings.opensearch_certificate_file,
        key=settings.opensearch_key_file,
    )
