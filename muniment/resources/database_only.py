"""Opens only the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from muniment.contents import PostgresContents
from muniment.db.database import Database
from muniment.embedded import endpoints
from muniment.errors import Misconfigured
from muniment.mailserver import ByteBudget
from muniment.services.resources import Resources
from muniment.settings import Settings


@asynccontextmanager
async def open_database_only(settings: Settings, *, connections: int = 10) -> AsyncIterator[Resources]:
    """Open only the database; requires neither the broker nor the key.

    Raises DatabaseUnavailable if PostgreSQL does not respond, Misconfigured if no database is set.
    """
    if settings.database_url is None:
        settings = endpoints.resolve(settings)
    if settings.database_url is None:
        raise Misconfigured("MUNIMENT_DATABASE_URL is not set")
    database = await Database.open(
        settings.database_url,
        connections=connections,
        idle_transaction_seconds=settings.idle_transaction_seconds,
    )
    try:
        yield Resources(
            settings=settings,
            database=database,
            budget=ByteBudget(settings.memory_budget_bytes),
            contents=PostgresContents(database),
        )
    finally:
        await database.close()
