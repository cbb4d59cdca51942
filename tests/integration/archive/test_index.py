"""The index outbox: every archived message is found; what cannot be indexed stays with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from muniment.db import index
from muniment.db.database import Session
from muniment.errors import DatabaseUnavailable
from muniment.mail import bodies
from muniment.model.document import Document
from muniment.search import IndexFailure, PostgresIndex
from muniment.services import drain_outbox as drain_outbox_module
from muniment.services.drain_outbox import drain_outbox
from muniment.services.runs import start_run
from muniment.services.search_messages import search_messages
from muniment.services.show_status import show_status
from tests.support.harness import Harness
from tests.support.imap_server import ImapServer
from tests.support.scripted import TARGET, archive, mailbox, neighbourhood, submit


async def archived(harness: Harness) -> list[str]:
    """Archive four mailboxes of 18 messages without indexing them; return a word of each that no other has."""
    script = neighbourhood(mailbox("target"))
    async with ImapServer(script) as server:
        await submit(harness, server)
        await harness.finish(await start_run(harness.doors, "all"))
    return [
        f"{address.partition('@')[0]}-{name.decode()}-{mail.uid}"
        for address, folders in script.mailboxes.items()
        for name, folder in folders.items()
        for mail in folder.messages
    ]


async def found(harness: Harness, subjects: Sequence[str]) -> list[str]:
    """Return those subjects that a search finds exactly once."""
    hits = {subject: await search_messages(harness.doors, f'"about {subject}"') for subject in subjects}
    return [subject for subject, there in hits.items() if [f"about {subject}"] == [hit.subject for hit in there]]


async def test_every_message_is_found(harness: Harness) -> None:
    """After the outbox is drained each message is found by its words, in its owner's archive only."""
    subjects = await archived(harness)
    before = await found(harness, subjects[:1])
    await drain_outbox(harness.with_settings(index_batch=7).doors)
    status = await show_status(harness.doors)

    assert before == []
    assert subjects == await found(harness, subjects)
    assert (status.totals.indexed, status.totals.outbox, status.index_coverage) == (72, 0, 1.0)
    assert len(await search_messages(harness.doors, "sent", user=TARGET)) == 18
    assert not await search_messages(harness.doors, f'"{subjects[0]}"', user="anna@example.com")


async def test_death_in_mid_drain_loses_nothing(harness: Harness) -> None:
    """When the index dies after it wrote and before the batch ended, the outbox still knows of each message."""
    subjects = await archived(harness)

    class Dying(PostgresIndex):
        async def put(self, session: Session, documents: Sequence[Document]) -> list[IndexFailure]:
            await super().put(session, documents)
            raise DatabaseUnavailable("gone")

    dying = Harness(replace(harness.doors, index=Dying()), harness.folder)
    with pytest.raises(DatabaseUnavailable):
        await drain_outbox(dying.doors)
    half = (await show_status(harness.doors)).totals
    await drain_outbox(harness.doors)

    assert (half.indexed, half.outbox) == (0, 72)
    assert subjects == await found(harness, subjects)


async def test_refused_document_stays_alone(harness: Harness) -> None:
    """A document that the index refuses stays in the outbox with its reason; all others are indexed; later it heals."""
    subjects = await archived(harness)

    class Picky(PostgresIndex):
        async def put(self, session: Session, documents: Sequence[Document]) -> list[IndexFailure]:
            bad = [document for document in documents if document.subject == f"about {subjects[3]}"]
            await super().put(session, [document for document in documents if document not in bad])
            return [IndexFailure(document, "I do not like it") for document in bad]

    picky = Harness(replace(harness.doors, index=Picky()), harness.folder)
    await drain_outbox(picky.doors)
    await drain_outbox(picky.doors)
    status = await show_status(harness.doors)
    at_once = await drain_outbox(harness.doors)
    async with harness.database.session() as session:
        await session.execute("UPDATE index_outbox SET not_before = now()")
    await drain_outbox(harness.doors)

    assert (status.totals.indexed, status.totals.outbox_failed) == (71, 1)
    assert [(failure.error, failure.messages) for failure in status.outbox_failures] == [("I do not like it", 1)]
    assert at_once == 0
    assert subjects == await found(harness, subjects)


async def test_text_that_postgresql_refuses_stays_alone(harness: Harness) -> None:
    """When PostgreSQL refuses one document of a batch, it alone is set aside, with what PostgreSQL said."""
    subjects = await archived(harness)
    async with harness.database.session() as session:
        await session.execute(
            "ALTER TABLE search_documents ADD CONSTRAINT picky"
            f" CHECK (NOT document @@ phraseto_tsquery('simple', 'about {subjects[5]}'))"
        )
    await drain_outbox(harness.doors)
    status = await show_status(harness.doors)

    assert (status.totals.indexed, status.totals.outbox_failed) == (71, 1)
    assert "picky" in status.outbox_failures[0].error
    assert [s for s in subjects if s != subjects[5]] == await found(harness, subjects)


async def test_parser_that_stumbles_stops_no_other(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that the parser fails at stays in the outbox with the reason, and the others of its batch go on."""
    subjects = await archived(harness)

    def read_text(raw: bytes, *, limit: int) -> object:
        if subjects[9].encode() + b"\r\n" in raw:
            raise RecursionError("too deep")
        return bodies.read_text(raw, limit=limit)

    monkeypatch.setattr(drain_outbox_module, "read_text", read_text)
    await drain_outbox(harness.doors)
    status = await show_status(harness.doors)

    assert (status.totals.indexed, status.totals.outbox_failed) == (71, 1)
    assert "RecursionError: too deep" in status.outbox_failures[0].error


async def test_two_drains_share_the_work(harness: Harness) -> None:
    """Two index workers at once never take the same message."""
    await archived(harness)
    async with harness.database.transaction() as first, harness.database.transaction() as second:
        mine = await index.claim(first, 40)
        yours = await index.claim(second, 40)

    assert (len(mine), len(yours)) == (40, 32)
    assert not {row.message_id for row in mine} & {row.message_id for row in yours}


async def test_second_run_sends_nothing_to_the_index(harness: Harness) -> None:
    """What is known is not indexed again."""
    script = neighbourhood(mailbox("target"), ())
    async with ImapServer(script) as server:
        await archive(harness, server)
        await harness.finish(await start_run(harness.doors, "all"))

    assert await drain_outbox(harness.doors) == 0
