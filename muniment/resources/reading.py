"""Opens what reads the archive: the database, the contents and the search index."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from muniment.resources.database_only import open_database_only
from muniment.resources.index import open_index
from muniment.services.operating.check_installation import check_schema
from muniment.services.resources import Resources
from muniment.settings import Settings


@asynccontextmanager
async def open_for_reading(settings: Settings, *, connections: int = 10) -> AsyncIterator[Resources]:
    """Open the database and the index; requires neither the broker nor the key.

    Raises DatabaseUnavailable if PostgreSQL does not respond, Misconfigured if no database is set or the schema is
    older than this code.
    """
    async with open_database_only(settings, connections=connections) as resources:
        await check_schema(resources.database)
        index = open_index(resources.settings, resources.database)
        try:
            yield replace(resources, index=index)
        finally:
            await index.close()
