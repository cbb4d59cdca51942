"""The index follows the archive, is compared with it, and is rebuilt while everything else continues."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from muniment.db import message_facts
from muniment.errors import NotFound
from muniment.model.document import DOCUMENTS_VERSION
from muniment.search import Change, MemoryIndex, OpenSearchIndex, Target
from muniment.services.indexing.drain_outbox import drain_outbox
from muniment.services.indexing.index_targets import list_generations
from muniment.services.indexing.make_documents import make_documents
from muniment.services.indexing.rebuild_index import begin_rebuilds, give_up_rebuilds
from muniment.services.indexing.reconcile_index import reconcile_index
from muniment.services.indexing.show_index import show_index
from muniment.services.indexing.tend_index import work_at_index
from tests.integration.search.library import ANNA, LETTERS, Letter
from tests.integration.search.test_queries import library, read_in
from tests.support.harness import Harness
from tests.support.imap_script import Script
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import submit

MESSAGES = len(LETTERS) + 18


async def settled(harness: Harness) -> None:
    """Run index work until nothing is left."""
    status = await show_index(ADMIN, harness.resources)
    for _ in range(100):
        await work_at_index(ADMIN, harness.resources)
        status = await show_index(ADMIN, harness.resources)
        if not status.outbox and all(store.rebuild is None and store.reconciled for store in status.stores):
            return
    raise AssertionError(status)


async def lose(harness: Harness, count: int) -> list[int]:
    """Remove documents directly from the index, and return their ids."""
    async with harness.database.transaction() as session:
        ids = await session.values("SELECT id FROM messages ORDER BY id LIMIT $1", count)
        if isinstance(harness.resources.index, OpenSearchIndex):
            for one in ids:
                await harness.resources.index._client.delete(index=harness.resources.index._name(1, 1), id=str(one))
        elif isinstance(harness.resources.index, MemoryIndex):
            for message_id in ids:
                del harness.resources.index._generations[1, 1][message_id]
        else:
            await session.execute("DELETE FROM search_documents WHERE message_id = ANY ($1)", ids)
    return ids


async def test_comparison_heals_both_ways(searching: Harness) -> None:
    """A comparison restores missing documents and removes orphans; a second one finds nothing."""
    await read_in(searching)
    await settled(searching)
    await lose(searching, 5)
    async with searching.administrator() as session:
        await session.execute("DELETE FROM messages WHERE id IN (SELECT max(id) FROM messages)")
        await session.execute("DELETE FROM index_outbox")
    (generation,) = await list_generations(searching.resources)
    healed = await reconcile_index(searching.resources, generation)
    await drain_outbox(searching.resources)
    again = await reconcile_index(searching.resources, generation)
    status = (await show_index(ADMIN, searching.resources)).stores[0]

    assert (healed, again) == ((5, 1), (0, 0))
    assert (status.indexed, status.outbox, status.missing, status.orphans) == (MESSAGES - 1, 0, 0, 0)


async def test_rebuild_goes_on_beside_searches_and_archiving(searching: Harness) -> None:
    """During a rebuild, searches find everything and new mail goes into both indexes; then the old one is removed."""
    await read_in(searching)
    await settled(searching)
    (begun,) = await begin_rebuilds(ADMIN, searching.resources, None)
    (twice,) = await begin_rebuilds(ADMIN, searching.resources, None)
    await lose(searching, 3)  # the rebuild does not repair the live index, but replaces it
    before = await searching.found("-nonesuch", ANNA)
    letters = [*LETTERS, Letter("late", "A latecomer", "arrived in the midst of it")]
    async with ImapServer(Script(mailboxes={ANNA: library(letters)})) as server:
        await submit(searching, server, name="later")
        await searching.archive("later")
    midst = await searching.search("latecomer", ANNA)
    await settled(searching)
    (after,) = await list_generations(searching.resources)
    found = await searching.found("-nonesuch", ANNA)

    assert (begun.already, twice.already) == (False, True)
    assert before.total >= len(LETTERS) - 3
    assert len(midst) == 1
    assert (after.live, after.building) == (2, None)
    assert found.total == len(LETTERS) + 1
    if isinstance(searching.resources.index, OpenSearchIndex):
        prefix = searching.resources.index._prefix
        assert list(await searching.resources.index._client.indices.get(index=f"{prefix}-*")) == [f"{prefix}-1-2"]


async def test_rebuild_is_given_up(searching: Harness) -> None:
    """An abandoned rebuild leaves the searched index unchanged, and nothing behind."""
    await read_in(searching)
    await settled(searching)
    await begin_rebuilds(ADMIN, searching.resources, None)
    await work_at_index(ADMIN, searching.with_settings(index_batch=5).resources)
    (store,) = (await show_index(ADMIN, searching.resources)).stores
    stopped = await give_up_rebuilds(ADMIN, searching.resources, store.name)
    status = await show_index(ADMIN, searching.resources)

    assert stopped == [store.name]
    assert status.stores[0].rebuild is None
    assert (await searching.found("-nonesuch", ANNA)).total == len(LETTERS)
    with pytest.raises(NotFound):
        await begin_rebuilds(ADMIN, searching.resources, "nope")


async def test_workers_that_work_at_once_agree(searching: Harness) -> None:
    """Concurrent drains of the same messages leave each in its last state, once."""
    await read_in(searching)
    await settled(searching)
    async with searching.database.session() as session:
        for _ in range(4):
            await session.execute("INSERT INTO index_outbox (store_id, message_id) SELECT store_id, id FROM messages")
    small = searching.with_settings(index_batch=7)
    await asyncio.gather(*(drain_outbox(small.resources) for _ in range(4)))
    status = await show_index(ADMIN, searching.resources)

    assert (status.indexed, status.outbox) == (MESSAGES, 0)


async def test_an_older_version_never_wins(searching: Harness) -> None:
    """A slow worker does not overwrite a document with a version read before another worker's."""
    await read_in(searching)
    async with searching.database.transaction() as session:
        ids = await session.values("SELECT id FROM messages WHERE subject = 'Large thing'")
        facts = await message_facts.find(session, [(1, ids[0])])
        (document,) = [one async for one in make_documents(searching.resources, session, facts, 0, float("inf"))]
        for version, subject in ((10**9, "newest"), (10**9 - 1, "older")):
            other = replace(document, subject=subject, version=version)
            change = Change(1, ids[0], version, other)
            assert await searching.resources.index.apply([Target(1, 1)], [change]) == []

    assert (len(await searching.search("newest", ANNA)), len(await searching.search("older", ANNA))) == (1, 0)


async def test_an_index_of_an_earlier_version_is_rebuilt(searching: Harness) -> None:
    """After an upgrade with other documents, an index is rebuilt once, in the background; searches go on."""
    await read_in(searching)
    await settled(searching)
    async with searching.database.session() as session:
        await session.execute("UPDATE index_generations SET documents_version = $1", DOCUMENTS_VERSION - 1)
    await lose(searching, 2)  # what the earlier version did not find
    await work_at_index(ADMIN, searching.resources)
    (during,) = await list_generations(searching.resources)
    found = await searching.found("-nonesuch", ANNA)
    await settled(searching)
    (after,) = await list_generations(searching.resources)

    assert during.building == 2 or during.live == 2
    assert found.total <= MESSAGES
    assert (after.live, after.building, after.is_outdated) == (2, None, False)
    assert (await show_index(ADMIN, searching.resources)).stores[0].indexed == MESSAGES
