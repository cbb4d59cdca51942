"""Groups: messages and proofs of several small folders in one transaction, without deadlocks over memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from muniment.errors import DatabaseUnavailable
from muniment.mailserver import ByteBudget
from muniment.model.run import RunState
from muniment.services.archiving import writer as writer_module
from muniment.services.archiving.commit_group import commit_group
from muniment.services.archiving.run_slice import SliceEnd
from muniment.services.runs.lifecycle import start_run
from tests.support.harness import Harness
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import (
    TARGET,
    archive,
    assert_neighbours_exact,
    mailbox,
    neighbourhood,
    proven,
    source,
    submit,
)

FOLDERS = [b"INBOX", *(b"folder %d" % number for number in range(29))]


async def test_small_folders_share_a_transaction(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thirty folders of two messages are committed and proven in two transactions."""
    groups: list[tuple[int, int]] = []

    async def counted(*args: Any) -> dict[int, int]:
        groups.append((len(args[2]), len(args[3])))
        return await commit_group(*args)

    monkeypatch.setattr(writer_module, "commit_group", counted)
    script = neighbourhood(mailbox("target", messages=2, folders=FOLDERS), ())
    async with ImapServer(script) as server:
        report = await archive(harness, server)

    assert report.run.messages.archived == 60
    assert sum(filings for filings, _ in groups) == sum(proofs for _, proofs in groups) == 30
    assert len(groups) == 2  # a batch is 50 messages here
    assert await proven(harness)
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)


async def test_nothing_is_stored_after_a_group_that_failed(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """If PostgreSQL refuses a group while the next one is being gathered, the run still misses nothing."""
    attempts: list[int] = []

    async def failing_at_first(*args: Any) -> dict[int, int]:
        attempts.append(sum(len(filing.batch.messages) for filing in args[2]))
        if len(attempts) == 1:
            raise DatabaseUnavailable("the disk is full")
        return await commit_group(*args)

    monkeypatch.setattr(writer_module, "commit_group", failing_at_first)
    script = neighbourhood(mailbox("target", messages=60, folders=[b"INBOX"]), ())
    async with ImapServer(script) as server:
        report = await archive(harness, server)

    assert attempts == [50, 50, 10]  # a batch is 50 messages here; the ten were not stored before them
    assert report.run.state == RunState.SUCCEEDED
    assert report.run.messages.archived == 60
    assert await proven(harness)
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)


async def test_gathered_messages_do_not_keep_memory_from_others(harness: Harness) -> None:
    """When gathered messages use up the byte budget, they are committed, so that jobs cannot deadlock."""
    script = neighbourhood(mailbox("target", folders=FOLDERS))
    harness.resources.__dict__["budget"] = ByteBudget(1500)  # a few messages
    async with asyncio.timeout(240), ImapServer(script) as server:
        report = await archive(harness, server)

    assert report.run.state == RunState.SUCCEEDED
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)
    await assert_neighbours_exact(harness, script)
    assert harness.resources.budget.used == 0


async def test_overtaken_worker_proves_nothing(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that loses its lease before storing a proof, with no messages to store, stores no proof."""

    async def overtaken(*args: Any) -> dict[int, int]:
        async with harness.database.session() as session:
            await session.execute("UPDATE jobs SET fence = fence + 1")
        return await commit_group(*args)

    script = neighbourhood(mailbox("target"), ())
    async with ImapServer(script) as server:
        await submit(harness, server)
        await harness.archive("all")
        async with harness.database.session() as session:
            await session.execute("UPDATE folders SET missing = 1, proven = '2000-01-01'")  # so that they are visited
        await start_run(ADMIN, harness.resources, "all")
        monkeypatch.setattr(writer_module, "commit_group", overtaken)
        ends = await harness.work()
        async with harness.database.session() as session:
            fresh = await session.value("SELECT count(*) FROM folders WHERE missing = 0 OR proven > '2000-01-01'")

    assert ends == [SliceEnd.LEASE_LOST]
    assert fresh == 0
