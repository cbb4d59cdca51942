"""The process that reads attachments: a crash affects only one attachment."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from muniment.attachments import AttachmentReader, Kind, Reading, kind_of
from muniment.attachments.limits import READ_SECONDS
from muniment.mail.bodies import read_text
from muniment.services.indexing.show_index import list_problems, show_index
from tests.integration.search.library import ANNA, Letter
from tests.integration.search.test_queries import library
from tests.support.corpus import corpus_folder
from tests.support.harness import Harness
from tests.support.imap_script import Script
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import archive
from tests.unit.attachments import documents

TEXT = "zebra crossing"


@pytest.fixture
async def reader() -> AsyncIterator[AttachmentReader]:
    """A reader that is patient, as a busy machine needs it."""
    opened = AttachmentReader(patience=60.0)
    yield opened
    await opened.close()


async def read(reader: AttachmentReader, name: str, data: bytes) -> Reading:
    """Read one attachment."""
    return await reader.read(name, "", kind_of(name, "", data), data)


async def test_one_process_reads_many(reader: AttachmentReader) -> None:
    """The process is started once and reused."""
    first = await read(reader, "a.docx", documents.word(TEXT))
    process = reader._process
    second = await read(reader, "a.pdf", documents.pdf(TEXT))

    assert TEXT in first.text
    assert TEXT in second.text
    assert reader._process is process


async def test_what_hangs_is_killed() -> None:
    """An attachment that takes too long costs its process, and the next one is read."""
    reader = AttachmentReader(patience=0.0)
    slow = rb"{\rtf1 " + rb"{\b zebra}" * 3_000_000 + b"}"
    hung = await reader.read("slow.rtf", "", Kind.RTF, slow, seconds=1.0)
    await reader.close()
    reader = AttachmentReader(patience=60.0)
    after = await read(reader, "a.txt", TEXT.encode())
    await reader.close()

    assert hung == Reading(problem="reading it took more than 1 s", settled=False)
    assert after == Reading(TEXT)


async def test_what_crashes_is_named(reader: AttachmentReader) -> None:
    """A process that dies while reading an attachment is a problem of that attachment only."""
    await read(reader, "warm.txt", b"up")
    assert reader._process is not None
    pid = reader._process.pid
    os.kill(pid, signal.SIGSTOP)  # it does not answer before it dies
    reading = asyncio.create_task(read(reader, "b.txt", b"x"))
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    crashed = await reading
    after = await read(reader, "a.txt", TEXT.encode())

    assert crashed.problem.startswith("its reader died (text")
    assert after == Reading(TEXT)


async def test_the_process_ends_with_its_parent(reader: AttachmentReader) -> None:
    """When the index worker is killed, the reading process sees the end of its input and exits."""
    await read(reader, "warm.txt", b"up")
    process = reader._process
    assert process is not None
    assert process.stdin is not None
    process.stdin.close()

    assert await asyncio.wait_for(process.wait(), 60) == 0


@pytest.mark.proof
async def test_documents_of_the_corpus() -> None:
    """Every document of the corpus contains the words that are known to be in it, and none of the unreadable ones."""
    folder = corpus_folder() / "edge/made"
    reader = AttachmentReader()
    wrong = []
    for line in (folder / "TRUTH.jsonl").read_text("utf-8").splitlines():
        truth = json.loads(line)
        if "attachments" not in truth:
            continue
        body = read_text((folder / truth["path"]).read_bytes(), limit=2_000_000)
        readings = [await read(reader, a.name, a.data) for a in body.attachments]
        text = "\n".join([body.text, *body.attached, *(reading.text for reading in readings)])
        for attachment in truth["attachments"]:
            wrong += [(truth["path"], word) for word in attachment.get("words", []) if word not in text]
            wrong += [(truth["path"], "not " + word) for word in attachment.get("no_words", []) if word in text]
    await reader.close()

    assert wrong == []


class Counting(AttachmentReader):
    """Counts the attachments that are read."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    async def read(self, name: str, type_: str, kind: Kind, data: bytes, *, seconds: float = READ_SECONDS) -> Reading:
        """Count and read."""
        self.names.append(name)
        return await super().read(name, type_, kind, data, seconds=seconds)


def letters(*files: tuple[str, bytes]) -> list[Letter]:
    """Return one message per attachment."""
    return [
        Letter(f"l{number}", f"Letter {number}", "see attachment", files=((name, "application/octet-stream", data),))
        for number, (name, data) in enumerate(files)
    ]


async def index(harness: Harness, *files: tuple[str, bytes]) -> None:
    """Archive and index messages with these attachments."""
    async with ImapServer(Script(mailboxes={ANNA: library(letters(*files))})) as server:
        await archive(harness, server)


async def test_the_same_attachment_is_read_once(harness: Harness) -> None:
    """Three messages with the same attachment under different names are found by it; it was read once."""
    counting = Counting()
    once = Harness(replace(harness.resources, attachments=counting), harness.folder)
    data = documents.word(TEXT)
    await index(once, ("a.docx", data), ("b.docx", data), ("c.docx", data), ("d.docx", documents.word("other text")))
    await counting.close()

    assert len(await harness.search(f'attachment:"{TEXT}"')) == 3
    assert len(counting.names) == 2


async def test_a_kind_can_be_switched_off(harness: Harness) -> None:
    """Kinds excluded in the settings are not read; their names are still found."""
    less = harness.with_settings(index_attachments=frozenset({"pdf"}))
    await index(less, ("a.docx", documents.word(TEXT)), ("b.pdf", documents.pdf(TEXT)))

    assert [hit.subject for hit in await harness.search(f'"{TEXT}"')] == ["Letter 1"]
    assert len(await harness.search("filename:a.docx")) == 1


async def test_a_poisoned_attachment_stops_no_message(harness: Harness) -> None:
    """A message with an unreadable attachment is found by everything else, and listed with the reason."""
    await index(harness, ("cut.pdf", documents.pdf(TEXT)[:50]), ("good.pdf", documents.pdf(TEXT)))
    (problem,) = await list_problems(ADMIN, harness.resources, None, 10)
    status = await show_index(ADMIN, harness.resources)

    assert len(await harness.search("attachment")) == 2
    assert (problem.subject, problem.indexed) == ("Letter 0", True)
    assert problem.reasons[0].startswith("pdf: damaged: PdfiumError")
    assert (status.coverage, status.stores[0].partly, status.failed) == (1.0, 1, 0)
