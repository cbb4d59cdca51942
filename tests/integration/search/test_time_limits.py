"""No search goes on for ever, whatever the index, and however many messages have to be read for snippets."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from muniment.errors import SearchTooSlow
from muniment.search import Matches, MemoryIndex, PostgresIndex, Request
from muniment.services.searching import search_messages
from muniment.services.searching.saved_searches import (
    list_searches,
    request_search,
    run_requested_searches,
    save_search,
)
from tests.integration.search.library import ANNA
from tests.integration.search.test_queries import read_in
from tests.support.harness import Harness
from tests.support.principal import ADMIN


class Silent(MemoryIndex):
    """An index that never answers."""

    async def search(self, request: Request) -> Matches:
        """Wait for ever."""
        await asyncio.Event().wait()
        raise AssertionError(request)


async def test_postgresql_ends_a_search_itself(harness: Harness) -> None:
    """A search that PostgreSQL cannot finish in time is ended there, and the error says what to do."""
    limited = Harness(replace(harness.resources, index=PostgresIndex(harness.database)), harness.folder)
    await read_in(limited)
    limited = limited.with_settings(search_seconds=0.2)
    async with harness.database.transaction() as other:
        await other.execute("LOCK TABLE search_documents IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(SearchTooSlow, match=r"longer than 0\.\d* s") as error:
            await limited.found("invoice", ANNA)
        statements = await other.values(
            "SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )

    assert "MUNIMENT_SEARCH_SECONDS" in error.value.hint
    assert statements == []
    assert (await limited.with_settings(search_seconds=60.0).found("invoice", ANNA)).total == 2


async def test_an_index_that_does_not_answer(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search is given up even if the index ignores its time limit; a saved one keeps the error."""
    monkeypatch.setattr(search_messages, "_GRACE_SECONDS", 0.0)
    await read_in(harness)
    silent = Harness(replace(harness.resources, index=Silent()), harness.folder).with_settings(search_seconds=0.05)
    with pytest.raises(SearchTooSlow):
        await silent.found("invoice", ANNA)
    await save_search(ADMIN, silent.resources, ANNA, "bills", "invoice")
    await request_search(ADMIN, silent.resources, ANNA, "bills")
    await run_requested_searches(ADMIN, silent.resources)

    assert [(one.results, one.error) for one in await list_searches(ADMIN, silent.resources, ANNA)] == [
        (None, "The search took longer than it may.")
    ]


async def test_snippets_are_left_out_when_time_is_over(harness: Harness) -> None:
    """What was found is shown without the snippets for which no time was left, and the result says so."""
    quick = Harness(replace(harness.resources, index=MemoryIndex()), harness.folder)
    await read_in(quick)
    late = await quick.with_settings(search_seconds=1e-9).found("invoice", ANNA, snippets=True)
    timely = await quick.found("invoice", ANNA, snippets=True)

    assert [hit.snippet for hit in late.hits] == [None, None]
    assert late.notes == ("snippets are missing: the search took longer than it may",)
    assert all(hit.snippet for hit in timely.hits)
    assert timely.notes == ()
