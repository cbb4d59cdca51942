"""Workers that lose their lease, hang or are interrupted: no losses, no duplicates, no cursor above what is stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from muniment.db import folders as folders_db
from muniment.db import jobs, messages
from muniment.errors import LeaseLost, LoginRefused
from muniment.imap import ImapSession
from muniment.jobs import ARCHIVE_SLICE
from muniment.model.folder import FolderState, ServerFolder
from muniment.model.message import FetchedMessage, MemoryMessage
from muniment.model.profile import Profile, ProfileKind, Server
from muniment.model.run import Lease, LeasedJob, MessageCounts, RunState
from muniment.services.archiving import archive_folder as archive_folder_module
from muniment.services.archiving import fetch_batches as fetch_batches_module
from muniment.services.archiving.folder_work import FolderWork
from muniment.services.archiving.run_slice import SliceEnd
from muniment.services.archiving.run_slices import run_slices
from muniment.services.archiving.writer import Writer
from muniment.services.mailboxes.slice_budget import SliceBudget
from muniment.services.runs.lifecycle import show_run, start_run
from muniment.services.runs.tick import pump_runs
from tests.support.harness import Harness
from tests.support.imap_script import Fault, Mail, Script
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import (
    TARGET,
    mailbox,
    message,
    neighbourhood,
    source,
    submit,
)
from tests.support.waiting import wait_until_async


async def assert_sound(harness: Harness) -> None:
    """Check that entries have messages, messages have contents, and no cursor is above what is stored."""
    async with harness.database.session() as session:
        lonely = await session.value(
            "SELECT count(*) FROM entries"
            " WHERE NOT EXISTS (SELECT FROM messages WHERE messages.id = entries.message_id)"
        )
        hollow = await session.value(
            "SELECT count(*) FROM messages WHERE size > 0"
            " AND NOT EXISTS (SELECT FROM contents WHERE contents.message_id = messages.id)"
        )
    assert (lonely, hollow) == (0, 0)


@pytest.mark.parametrize("loss", ["UPDATE jobs SET fence = fence + 1", "UPDATE jobs SET state = 'waiting'"])
async def test_overtaken_worker_commits_nothing(harness: Harness, monkeypatch: pytest.MonkeyPatch, loss: str) -> None:
    """A worker that loses its lease during a batch stores no more rows."""
    script = neighbourhood(mailbox("target", messages=40, folders=[b"INBOX"]), ())
    tiny = harness.with_settings(batch_messages=5)
    stored: list[int] = []
    original = messages.add_entries

    async def add_entries(*args: Any) -> None:
        await original(*args)
        stored.append(1)
        if len(stored) == 3:  # everything in this batch is written; only the check of the lease is missing
            async with harness.database.session() as other:
                await other.execute(loss)

    monkeypatch.setattr(messages, "add_entries", add_entries)
    async with ImapServer(script) as server:
        await submit(tiny, server)
        run_id = await start_run(ADMIN, tiny.resources, "all")
        ends = await tiny.work()
        report = await show_run(ADMIN, harness.resources, run_id)

    assert ends == [SliceEnd.LEASE_LOST]
    assert report.run.messages.archived == 10
    async with harness.database.session() as session:
        assert await session.value("SELECT count(*) FROM entries") == 10
        assert await session.value("SELECT count(*) FROM messages") == 10
        assert await session.value("SELECT last_uid FROM folders WHERE wire_name = 'INBOX'") == 10


async def test_old_fencing_number_is_refused(harness: Harness) -> None:
    """Every call that changes a job refuses an outdated lease."""
    script = neighbourhood(mailbox("target"), ())
    async with ImapServer(script) as server:
        await submit(harness, server)
        await start_run(ADMIN, harness.resources, "all")
    async with harness.database.session() as session:
        job = await jobs.lease(session, 1, "somebody", 60)
        assert job is not None
        old = Lease(job.lease.job_id, job.lease.fence - 1)
        for change in (
            jobs.extend(session, old, 60),
            jobs.progress(session, old, jobs.Progress(MessageCounts(1, 1, 0, 0), 1, {1: 1}), 60),
            folders_db.renumber(session, old, 1, 1),
            jobs.yield_slice(session, old),
            jobs.complete(session, old, jobs.Completion([], True, [], None), next_for="me", seconds=60),
            jobs.postpone(session, old, jobs.Setback("", "", 1.0, 1, 1)),
            jobs.fail(session, old, error="", hint=""),
            jobs.stop_cancelled(session, old),
            jobs.set_fingerprint(session, old, b""),
            jobs.broke(session, old, 1, 1),
            folders_db.refuse(session, old, 1, ""),
        ):
            with pytest.raises(LeaseLost):
                await change


async def test_expired_lease_is_taken_over(harness: Harness) -> None:
    """If a worker hangs, another one takes over its job after the lease expires, and the archive is exact."""
    script = neighbourhood(mailbox("target", messages=40), ())
    script.faults = [Fault("UID FETCH", containing="BODY", hang=True, times=1)]
    quick = harness.with_settings(lease_seconds=1.5, batch_messages=5)
    async with ImapServer(script) as server:
        await submit(quick, server)
        run_id = await start_run(ADMIN, quick.resources, "all")
        silent = asyncio.create_task(quick.work())
        await wait_until_async(lambda: _answer(server.sent("UID FETCH")), "the worker fetches")
        async with harness.database.session() as session:
            await session.execute("UPDATE jobs SET lease_until = now() - interval '1 second'")
        report = await quick.finish(run_id)
        ends = await silent

    assert ends == [SliceEnd.LEASE_LOST]
    assert report.run.state == RunState.SUCCEEDED
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)


async def _answer(value: object) -> object:
    return value


@pytest.mark.parametrize("seed", [2, 3])
async def test_interrupted_at_random_moments(harness: Harness, seed: int) -> None:
    """Interrupted at any moments and however often, slices leave an exact archive without duplicates."""
    random = Random(seed)
    names = [b"INBOX", b"a", b"b", b"c"]
    script = Script(
        mailboxes={user: mailbox(user, messages=100, folders=names) for user in ("anna@x.com", "ben@x.com")}
    )
    for folders in script.mailboxes.values():
        for folder in folders.values():
            large = b"spooled " * 200_000 if random.randrange(2) else b""
            folder.messages = [Mail(-2, large), Mail(-1, message("everywhere")), *folder.messages, Mail(0, large)]
            folder.messages = [mail._replace(uid=uid) for uid, mail in enumerate(folder.messages, start=1)]
    hurried = harness.with_settings(batch_messages=3, spool_bytes=1_000_000, job_attempts=1000)
    cuts = 0
    async with ImapServer(script) as server:
        await submit(hurried, server)
        run_id = await start_run(ADMIN, hurried.resources, "all")
        while cuts < 60 and not (await hurried.run(run_id)).state.is_final:
            slices = [
                run_slices(ADMIN, hurried.resources, *ids) for task, ids in hurried.queue.tasks if task == ARCHIVE_SLICE
            ]
            hurried.queue.lose()
            working = [asyncio.create_task(each) for each in slices]
            if working:
                await asyncio.wait(working, timeout=random.uniform(0.0, 0.04))
            for task in working:
                cuts += not task.done()
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
            await assert_sound(harness)
            await assert_cursors_below_stored(harness, script)
            await pump_runs(ADMIN, hurried.resources)
        report = await hurried.finish(run_id)

    assert cuts >= 30
    assert report.run.state == RunState.SUCCEEDED
    for address, folders in script.mailboxes.items():
        assert source(folders) == await harness.exported(address)
    assert sum(len(f.messages) for m in script.mailboxes.values() for f in m.values()) == report.run.messages.archived
    assert harness.resources.budget.used == 0
    assert list(harness.resources.settings.spool.iterdir()) == []


async def assert_cursors_below_stored(harness: Harness, script: Script) -> None:
    """Check that every message up to a folder's cursor is in the archive."""
    async with harness.database.session() as session:
        folders = await session.values(
            "SELECT (folders.id, address, wire_name, last_uid) FROM folders JOIN mailboxes ON mailboxes.id = mailbox_id"
        )
        stored: dict[int, list[int]] = {}
        for folder_id, uid in await session.values("SELECT (folder_id, uid) FROM entries"):
            stored.setdefault(folder_id, []).append(uid)
    for folder_id, address, wire_name, last_uid in folders:
        uids = stored.get(folder_id, [])
        on_server = {mail.uid for mail in script.mailboxes[address][wire_name].messages if mail.uid <= last_uid}
        assert on_server <= set(uids)
        assert len(uids) == len(set(uids))


async def test_session_that_ends_between_windows_frees_its_memory(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch cancelled before its commit releases its share of the byte budget."""
    monkeypatch.setattr(fetch_batches_module, "SIZES_WINDOW", 1)
    spooled = MemoryMessage(b"x" * 1000)

    class Breaking:
        """A session that delivers one message and is then ended by the server."""

        windows = 0

        async def sizes(self, uids: list[int]) -> dict[int, int]:
            self.windows += 1
            if self.windows == 2:
                raise LoginRefused("the session has expired")  # as with BYE [EXPIRED]
            return dict.fromkeys(uids, 1000)

        async def make_room(self, size: int) -> None:
            """Accept any size."""

        async def fetch(self, uids: list[int]) -> AsyncIterator[FetchedMessage]:
            for uid in uids:
                yield FetchedMessage(uid, (), None, spooled)

    folder = ServerFolder(b"INBOX", ("INBOX",), frozenset(), None)
    state = FolderState(
        id=1,
        wire_name=b"INBOX",
        path=("INBOX",),
        uidvalidity=1,
        last_uid=0,
        status=None,
        renumbered=False,
        proven_run=None,
        complete=False,
        quarantined=0,
        refusal="",
    )
    job = LeasedJob(
        lease=Lease(1, 1),
        run_id=1,
        run_started=datetime.now(UTC),
        profile_id=1,
        mailbox_id=1,
        address=TARGET,
        user_name=TARGET,
        source=None,
        fingerprint=None,
        is_named=True,
        own_login=None,
        attempt=0,
        broke_folder=None,
        breaks=0,
    )
    work = FolderWork(
        job,
        cast("Profile", SimpleNamespace(kind=ProfileKind.MASTER, server=Server("mail.example.com"))),
        cast("ImapSession", Breaking()),
        folder,
        state,
    )
    with pytest.raises(LoginRefused):
        async with Writer(harness.resources, job.lease) as writer:
            await archive_folder_module._fetch(harness.resources, work, [1, 2], writer, SliceBudget())

    assert harness.resources.budget.used == 0
    assert spooled.size == 0
