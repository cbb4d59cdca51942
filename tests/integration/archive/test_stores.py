"""Archive stores: a new one is created when the current one is full, without any visible effect."""

from __future__ import annotations

import asyncio

from muniment.model.run import RunState
from muniment.services.indexing.drain_outbox import drain_outbox
from muniment.services.operating.show_status import show_status
from muniment.services.runs.lifecycle import start_run
from muniment.services.stores.tend_stores import tend_stores
from tests.support.harness import Harness
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.proof import assert_settled
from tests.support.scripted import TARGET, archive, assert_neighbours_exact, mailbox, neighbourhood, source, submit


async def test_full_store_is_followed_by_a_new_one_in_the_middle_of_a_run(harness: Harness) -> None:
    """Stores that fill up and are replaced during a run leave an exact archive with correct searches and counts."""
    script = neighbourhood(mailbox("target", messages=30))
    tiny = harness.with_settings(batch_messages=5, slice_bytes=2000, store_messages=20)
    async with ImapServer(script) as server:
        await submit(tiny, server)
        run_id = await start_run(ADMIN, tiny.resources, "all")
        while not (await tiny.run(run_id)).state.is_final:
            await asyncio.gather(tiny.work(), tend_stores(ADMIN, tiny.resources), tend_stores(ADMIN, tiny.resources))
        run = await tiny.run(run_id)
    await drain_outbox(tiny.resources)
    status = await show_status(ADMIN, tiny.resources)

    assert run.state == RunState.SUCCEEDED
    assert [store.state for store in status.stores] == [*["normal"] * (len(status.stores) - 1), "current"]
    assert len(status.stores) >= 4
    assert all(store.messages >= 20 for store in status.stores[:-1])
    assert len({store.name for store in status.stores}) == len(status.stores)
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)
    assert len(await tiny.search('"target-INBOX-7"')) == 1
    await assert_settled(tiny.resources)
    await assert_neighbours_exact(harness, script)


async def test_store_with_room_stays(harness: Harness) -> None:
    """Below the limit no store is created, and repeated summing does not change the totals."""
    script = neighbourhood(mailbox("target"), ())
    async with ImapServer(script) as server:
        await archive(harness, server)
    before = (await show_status(ADMIN, harness.resources)).stores

    await asyncio.gather(*(tend_stores(ADMIN, harness.resources) for _ in range(4)))

    assert before == (await show_status(ADMIN, harness.resources)).stores
    assert [store.messages for store in before] == [18]


async def test_commit_waits_for_a_store_that_is_just_beginning(harness: Harness) -> None:
    """A commit that asks for the current store during a switch gets the new one."""
    script = neighbourhood(mailbox("target"), ())
    async with ImapServer(script) as server:
        await submit(harness, server)
        await start_run(ADMIN, harness.resources, "all")
        async with harness.database.transaction() as session:
            await session.value("SELECT create_store('next')")
            working = asyncio.create_task(harness.work())
            waiting = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            while not await session.value(waiting):
                await session.execute("SELECT pg_sleep(0.01), pg_stat_clear_snapshot()")
        await working
    status = await show_status(ADMIN, harness.resources)

    assert [store.messages for store in status.stores] == [0, 18]
