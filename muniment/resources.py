"""Opens the resources of a process in order, and closes them in reverse order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from muniment import search
from muniment.contents import PostgresContents
from muniment.db.database import Database
from muniment.embedded import endpoints
from muniment.errors import Misconfigured
from muniment.governor import RedisGovernor, Script, Timing
from muniment.mailserver import ByteBudget
from muniment.queue import CeleryQueue
from muniment.search import PostgresIndex, SearchIndex
from muniment.secrecy import Secret, SecretBox
from muniment.services.operating.check_installation import check_installation
from muniment.services.operating.server_limits import default_limits, server_memory
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
    database = await Database.open(settings.database_url, connections=connections)
    try:
        yield Resources(
            settings=settings,
            database=database,
            budget=ByteBudget(settings.memory_budget_bytes),
            contents=PostgresContents(database),
        )
    finally:
        await database.close()


@asynccontextmanager
async def open_resources(settings: Settings, *, connections: int = 10) -> AsyncIterator[Resources]:
    """Open all resources; raise DatabaseUnavailable or Misconfigured if one cannot be opened."""
    settings = endpoints.resolve(settings)
    if settings.database_url is None or settings.redis_url is None:
        raise Misconfigured("MUNIMENT_DATABASE_URL and MUNIMENT_REDIS_URL are required")
    secrets = SecretBox.from_key_file(settings.key_file)
    async with AsyncExitStack() as stack:
        database = await Database.open(
            settings.database_url,
            connections=connections,
            idle_transaction_seconds=settings.idle_transaction_seconds,
        )
        stack.push_async_callback(database.close)
        await check_installation(database, secrets)
        queue = CeleryQueue(settings.redis_url)
        stack.push_async_callback(queue.close)
        governor = _governor(settings, settings.redis_url, database)
        stack.push_async_callback(governor.close)
        index = open_index(settings, database)
        stack.push_async_callback(index.close)
        resources = Resources(
            settings=settings,
            database=database,
            budget=ByteBudget(settings.memory_budget_bytes),
            secrets=secrets,
            queue=queue,
            index=index,
            contents=PostgresContents(database),
            governor=governor,
        )
        stack.push_async_callback(resources.attachments.close)
        yield resources


def open_index(settings: Settings, database: Database) -> SearchIndex:
    """Return the index that the settings choose; it connects when it is used."""
    if settings.opensearch_url is None:
        return PostgresIndex(database)
    return search.OpenSearchIndex.open(
        settings.opensearch_url,
        prefix=settings.opensearch_prefix,
        ca_file=settings.opensearch_ca_file,
        certificate=settings.opensearch_certificate_file,
        key=settings.opensearch_key_file,
    )


def _governor(settings: Settings, redis_url: Secret, database: Database) -> RedisGovernor:
    timing = Timing()
    script = Script(endpoints.redis_py_url(redis_url.reveal()), timing)
    return RedisGovernor(script, server_memory(database, timing), default_limits(settings), timing)
