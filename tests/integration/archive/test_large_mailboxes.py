"""Huge messages, many folders, many messages: memory use stays flat and nothing is lost."""

from __future__ import annotations

import asyncio
import gc
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from muniment.mailserver import ByteBudget
from muniment.model.run import RunState
from muniment.services.indexing.drain_outbox import drain_outbox
from muniment.services.indexing.make_documents import PARSED_BYTES
from muniment.services.reading.export_archive import export_archive
from muniment.services.runs.lifecycle import start_run
from tests.support.harness import Harness, hashes
from tests.support.imap_script import Fault, Folder, HugeContent, Mail, ManyMails
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import TARGET, assert_neighbours_exact, mails, message, neighbourhood, source, submit

MIB = 1024 * 1024
BOUND = 64 * MIB


@dataclass
class Growth:
    """The peak growth of this process's resident memory, including the scripted server, in bytes."""

    peak: int = 0


@asynccontextmanager
async def growth() -> AsyncIterator[Growth]:
    """Watch the process's memory while the block runs."""
    process = psutil.Process()
    gc.collect()
    before = process.memory_info().rss
    measured = Growth()

    async def watch() -> None:
        while True:
            measured.peak = max(measured.peak, process.memory_info().rss - before)
            await asyncio.sleep(0.005)

    watching = asyncio.create_task(watch())
    try:
        yield measured
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def test_huge_message_is_not_held_in_memory(harness: Harness, tmp_path: Path) -> None:
    """A message of 100 MB is spooled, archived, indexed and exported without ever being completely in memory."""
    huge = HugeContent(100 * MIB)
    script = neighbourhood({b"INBOX": Folder([Mail(1, message("before")), Mail(2, huge), Mail(3, message("after"))])})
    async with ImapServer(script) as server:
        await submit(harness, server)
        async with growth() as archiving:
            report = await harness.finish(await start_run(ADMIN, harness.resources, "all"))
    async with growth() as indexing:
        await drain_outbox(harness.resources)
    async with growth() as exporting:
        await export_archive(ADMIN, harness.resources, TARGET, directory=tmp_path / "out")

    assert (report.run.state, report.notices) == (RunState.SUCCEEDED, [])
    [file] = [file for file in (tmp_path / "out").rglob("*.eml") if file.stat().st_size == huge.size]
    digest = hashlib.sha256()
    for chunk in huge.chunks():
        digest.update(chunk)
    with file.open("rb") as exported:
        assert digest.digest() == hashlib.file_digest(exported, "sha256").digest()
    assert [m for m in (archiving.peak, exporting.peak) if m > BOUND] == []
    # In the index worker, which reads only that much of it: twice while it is joined, and what is cut out.
    assert indexing.peak < 5 * PARSED_BYTES
    assert list(harness.resources.settings.spool.iterdir()) == []
    await assert_neighbours_exact(harness, script)


class Ledger(ByteBudget):
    """A byte budget that records its peak use."""

    peak = 0

    def charge(self, n: int) -> None:
        """Charge the bytes and record the peak."""
        super().charge(n)
        self.peak = max(self.peak, self.used)


@pytest.mark.parametrize("sizes", ["claimed to be 0", "refused"])
async def test_lying_sizes_do_not_fill_the_memory(harness: Harness, sizes: str) -> None:
    """Messages of unknown size are passed on in parts of a batch, and the budget accounts for their memory."""
    body = b"0123456789abcdef" * (MIB // 16)
    inbox = Folder([Mail(uid, message(f"big-{uid}", body)) for uid in range(1, 101)])
    script = neighbourhood({b"INBOX": inbox}, ())
    if sizes == "refused":
        script.faults = [Fault("UID FETCH", containing="(RFC822.SIZE)", reply="NO not today")]
    else:
        inbox.claimed_sizes = {mail.uid: 0 for mail in inbox.messages}
    ledger = Ledger(16 * MIB)
    counting = Harness(replace(harness.resources, budget=ledger), harness.folder).with_settings(batch_messages=500)
    async with ImapServer(script) as server:
        await submit(counting, server)
        async with growth() as archiving:
            report = await counting.finish(await start_run(ADMIN, counting.resources, "all"))

    assert (report.run.state, report.run.messages.archived) == (RunState.SUCCEEDED, 100)
    assert archiving.peak < BOUND
    assert ledger.peak > 8 * MIB
    assert ledger.used == 0
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)


@pytest.mark.proof
async def test_5000_folders(harness: Harness) -> None:
    """A mailbox with 5,000 folders is archived completely, and the next run opens none of them again."""
    folders = {
        b"folder %d/sub %d" % (n // 50, n): Folder(mails(f"f{n}", n % 10 == 0, first=7), uidvalidity=n + 1)
        for n in range(5000)
    }
    script = neighbourhood(folders)
    async with ImapServer(script) as server:
        await submit(harness, server)
        report = await harness.finish(await start_run(ADMIN, harness.resources, "all"))
        opened = len(server.sent("EXAMINE"))
        second = await harness.archive("all")

    assert (report.run.state, report.run.messages.archived) == (RunState.SUCCEEDED, 500 + 3 * 18)
    assert second.run.messages.seen == 0
    assert len(server.sent("EXAMINE")) - opened == 3  # the small ones, for their fingerprints
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)
    await assert_neighbours_exact(harness, script)


@pytest.mark.proof
async def test_200000_messages_in_one_folder(harness: Harness) -> None:
    """A folder of 200,000 messages is archived in many slices without a growth of memory."""
    inbox = Folder(ManyMails(200_000, size=120, step=3))
    script = neighbourhood({b"INBOX": inbox})
    patient = harness.with_settings(batch_messages=1000, slice_bytes=8 * MIB)
    async with ImapServer(script) as server:
        await submit(patient, server)
        async with growth() as archiving:
            report = await patient.finish(await start_run(ADMIN, patient.resources, "all"), seconds=400)

    assert (report.run.state, report.run.messages.archived) == (RunState.SUCCEEDED, 200_000 + 54)
    assert archiving.peak < BOUND
    async with harness.database.session() as session:
        stored = await session.values(
            "SELECT encode(sha256, 'hex') FROM entries JOIN messages ON messages.id = entries.message_id"
            " JOIN folders ON folders.id = folder_id WHERE folders.uidvalidity = 1 AND uid % 997 = 1 ORDER BY uid"
        )
    expected = [mail.content for mail in inbox.messages if mail.uid % 997 == 1]
    assert hashes([content for content in expected if isinstance(content, bytes)]) == dict.fromkeys(stored, 1)
    await assert_neighbours_exact(harness, script)
