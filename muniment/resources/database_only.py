"""Opens only the database: as the role that works, as the owner of the tables, or as PostgreSQL's administrator."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from muniment.contents import PostgresContents
from muniment.db.database import Database
from muniment.embedded import endpoints
from muniment.errors import Misconfigured
from muniment.mailserver import ByteBudget
from muniment.secrecy import Secret
from muniment.services.resources import Resources
from muniment.settings import Settings


@asynccontextmanager
async def open_database_only(settings: Settings, *, connections: int = 10) -> AsyncIterator[Resources]:
    """Open only the database; requires neither the broker nor the key.

    Raises DatabaseUnavailable if PostgreSQL does not respond, Misconfigured if no database is set.
    """
    settings = _with_database(settings)
    assert settings.database_url is not None
    async with _only(settings, settings.database_url, connections) as resources:
        yield resources


@asynccontextmanager
async def open_database_as_owner(settings: Settings) -> AsyncIterator[Resources]:
    """Open only the database, as the role that owns the tables: for migrations and restores.

    Without such a role of its own (MUNIMENT_OWNER_DATABASE_URL), the role of MUNIMENT_DATABASE_URL owns the tables.
    """
    if settings.database_url is None and settings.owner_database_url is None:
        settings = replace(settings, owner_database_url=endpoints.owner_url(settings.data))
    settings = _with_database(settings)
    url = settings.owner_database_url or settings.database_url
    assert url is not None
    async with _only(settings, url, connections=2) as resources:
        yield resources


@asynccontextmanager
async def open_database_as_administrator(settings: Settings) -> AsyncIterator[Resources]:
    """Open only the database, as the administrator of PostgreSQL: to create roles."""
    if settings.admin_database_url is None:
        raise Misconfigured(
            "MUNIMENT_ADMIN_DATABASE_URL is not set",
            hint="It names the same database as MUNIMENT_DATABASE_URL, with a role that may create roles.",
        )
    async with _only(settings, settings.admin_database_url, connections=1) as resources:
        yield resources


@asynccontextmanager
async def _only(settings: Settings, url: Secret, connections: int) -> AsyncIterator[Resources]:
    settings.check_links()
    database = await Database.open(
        url,
        connections=connections,
        idle_transaction_seconds=settings.idle_transaction_seconds,
        unencrypted_links=settings.unencrypted_links,
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


def _with_database(settings: Settings) -> Settings:
    if settings.database_url is None:
        settings = endpoints.resolve(settings)
    if settings.database_url is None:
        raise Misconfigured("MUNIMENT_DATABASE_URL is not set")
    return settings
