"""How many database connections indexing and searching use, and how long their transactions may be idle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from muniment.contents import PostgresContents
from muniment.db import database as db
from muniment.db.database import Database
from muniment.search import Change, IndexFailure, PostgresIndex, Target
from muniment.secrecy import Secret
from muniment.services.indexing.drain_outbox import drain_outbox
from muniment.services.indexing.rebuild_index import begin_rebuilds
from muniment.services.indexing.reconcile_index import compare_indexes
from muniment.services.indexing.show_index import list_problems, show_index
from muniment.services.searching.saved_searches import request_search, run_requested_searches, save_search
from tests.integration.search.library import ANNA
from tests.integration.search.test_queries import read_in
from tests.integration.search.test_upkeep import settled
from tests.support.harness import Harness
from tests.support.principal import ADMIN
from tests.support.waiting import wait_until_async


@asynccontextmanager
async def limited(
    harness: Harness, url: str, connections: int, *, idle_seconds: float = 60.0
) -> AsyncIterator[Harness]:
    """Reopen the harness's database with a small pool, and its index on it."""
    database = await Database.open(Secret(url), connections=connections, idle_transaction_seconds=idle_seconds)
    try:
        resources = replace(
            harness.resources,
            database=database,
            index=PostgresIndex(database),
            contents=PostgresContents(database),
        )
        yield Harness(resources, harness.folder)
    finally:
        await database.close()


async def test_many_searches_share_one_connection(harness: Harness, database_url: str) -> None:
    """A search holds at most one connection at a time, so a small pool serves any number of searches."""
    await read_in(harness)
    async with limited(harness, database_url, 1) as small, asyncio.timeout(30):
        searches = [small.found("platypus", ANNA, facets=True, snippets=True) for _ in range(5)]
        found = await asyncio.gather(*searches)
        status = await show_index(ADMIN, small.resources)
        problems = await list_problems(ADMIN, small.resources, status.stores[0].name, 10)

    assert [len(page.hits) for page in found] == [1] * 5
    assert (status.coverage, problems) == (1.0, [])


async def test_index_work_needs_two_connections(harness: Harness, database_url: str) -> None:
    """Draining, a rebuild, a comparison and a saved search each hold a transaction, and need one more connection."""
    await read_in(harness)
    async with limited(harness, database_url, 2) as small, asyncio.timeout(60):
        await begin_rebuilds(ADMIN, small.resources, None)
        await settled(small)
        compared = await compare_indexes(ADMIN, small.resources, None)
        await save_search(ADMIN, small.resources, ANNA, "bird", "platypus")
        await request_search(ADMIN, small.resources, ANNA, "bird")
        await run_requested_searches(ADMIN, small.resources)
        status = await show_index(ADMIN, small.resources)

    assert [(missing, orphans) for _, missing, orphans in compared] == [(0, 0)]
    assert (status.coverage, status.outbox) == (1.0, 0)


async def test_slow_index_does_not_lose_the_claim(
    harness: Harness, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the index takes longer than a transaction may be idle, the claim on the outbox is kept."""

    class Slow(PostgresIndex):
        async def apply(self, targets: Sequence[Target], changes: Sequence[Change]) -> list[IndexFailure]:
            await wait_until_async(claim_is_old, "the claim is older than a silent transaction may get")
            return await super().apply(targets, changes)

    async def claim_is_old() -> bool:
        async with harness.database.session() as session:
            old: bool = await session.value(
                "SELECT coalesce(bool_or(now() - xact_start > '1 second'), true) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'"
            )
            return old

    monkeypatch.setattr(db, "SIGN_OF_LIFE_SECONDS", 0.1)
    await read_in(harness)
    async with harness.database.session() as session:
        await session.execute("INSERT INTO index_outbox (store_id, message_id) SELECT store_id, id FROM messages")
        count = await session.value("SELECT count(*) FROM messages")
    async with limited(harness, database_url, 2, idle_seconds=0.5) as small:
        slow = replace(small.resources, index=Slow(small.database))
        drained = await drain_outbox(slow)

    assert drained == count
    assert (await show_index(ADMIN, harness.resources)).outbox == 0
