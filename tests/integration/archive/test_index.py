"""The index outbox: every archived message is found; whatever cannot be indexed is reported with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from muniment.db import outbox
from muniment.errors import DatabaseUnavailable, SearchUnavailable
from muniment.jobs import INDEX_DRAIN
from muniment.mail import bodies
from muniment.search import Change, IndexFailure, PostgresIndex, Target
from muniment.services.indexing import make_documents
from muniment.services.indexing.drain_outbox import drain_outbox
from muniment.services.indexing.show_index import list_problems, retry_problems
from muniment.services.indexing.tend_index import dispatch_index, tend_index
from muniment.services.operating.show_status import show_status
from muniment.services.runs.lifecycle import start_run
from tests.support.harness import Harness
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import TARGET, archive, mailbox, neighbourhood, submit


async def archived(harness: Harness) -> list[str]:
    """Archive four mailboxes of 18 messages without indexing them; return a unique word of each message."""
    script = neighbourhood(mailbox("target"))
    async with ImapServer(script) as server:
        await submit(harness, server)
        await harness.finish(await start_run(ADMIN, harness.resources, "all"))
    return [
        f"{address.partition('@')[0]}-{name.decode()}-{mail.uid}"
        for address, folders in script.mailboxes.items()
        for name, folder in folders.items()
        for mail in folder.messages
    ]


async def found(harness: Harness, subjects: Sequence[str]) -> list[str]:
    """Return the subjects that a search finds exactly once."""
    hits = {subject: await harness.search(f'"about {subject}"') for subject in subjects}
    return [subject for subject, there in hits.items() if [f"about {subject}"] == [hit.subject for hit in there]]


async def test_every_message_is_found(harness: Harness) -> None:
    """After the outbox is drained, each message is found by its words, in its owner's archive only."""
    subjects = await archived(harness)
    before = await harness.found(f'"about {subjects[0]}"')
    await drain_outbox(harness.with_settings(index_batch=7).resources)
    status = (await show_status(ADMIN, harness.resources)).index

    assert (before.hits, before.lacking) == ([], 72)
    assert subjects == await found(harness, subjects)
    assert (status.indexed, status.outbox, status.coverage) == (72, 0, 1.0)
    assert len(await harness.search("sent", user=TARGET)) == 18
    assert not await harness.search(f'"{subjects[0]}"', user="anna@example.com")


async def test_death_in_mid_drain_loses_nothing(harness: Harness) -> None:
    """If the index fails after writing but before the batch ends, the outbox still contains every message."""
    subjects = await archived(harness)

    class Dying(PostgresIndex):
        async def apply(self, targets: Sequence[Target], changes: Sequence[Change]) -> list[IndexFailure]:
            await super().apply(targets, changes)
            raise DatabaseUnavailable("gone")

    dying = Harness(replace(harness.resources, index=Dying(harness.database)), harness.folder)
    with pytest.raises(DatabaseUnavailable):
        await drain_outbox(dying.resources)
    half = (await show_status(ADMIN, harness.resources)).index
    await drain_outbox(harness.resources)

    assert (half.indexed, half.outbox) == (72, 72)
    assert subjects == await found(harness, subjects)


class Away(PostgresIndex):
    """An index that accepts nothing."""

    async def apply(self, targets: Sequence[Target], changes: Sequence[Change]) -> list[IndexFailure]:
        """Refuse every change."""
        raise SearchUnavailable("OpenSearch: 429 too many requests")


async def test_index_that_takes_nothing_is_left_alone_for_a_while(harness: Harness) -> None:
    """An overloaded index is left alone for a pause, while search reports what it lacks; later it catches up."""
    subjects = await archived(harness)
    away = Harness(replace(harness.resources, index=Away(harness.database)), harness.folder)
    with pytest.raises(SearchUnavailable):
        await drain_outbox(away.resources)
    paused = await drain_outbox(harness.resources)
    page = await harness.found("about")
    await dispatch_index(ADMIN, harness.resources)
    sent = [task for task, _ in harness.queue.tasks if task == INDEX_DRAIN]
    async with harness.database.session() as session:
        await session.execute("UPDATE index_pause SET not_before = now()")
    await drain_outbox(harness.resources)

    assert paused == 0
    assert sent == []
    assert (page.lacking, page.paused) == (72, "OpenSearch: 429 too many requests")
    assert subjects == await found(harness, subjects)
    assert (await show_status(ADMIN, harness.resources)).index.pause is None


async def test_refused_document_stays_alone(harness: Harness) -> None:
    """A document that the index refuses is set aside with its reason, the others are indexed, and later it recovers."""
    subjects = await archived(harness)

    class Picky(PostgresIndex):
        async def apply(self, targets: Sequence[Target], changes: Sequence[Change]) -> list[IndexFailure]:
            bad = [one for one in changes if one.document and one.document.subject == f"about {subjects[3]}"]
            await super().apply(targets, [one for one in changes if one not in bad])
            return [IndexFailure(one.store_id, one.message_id, "I do not like it") for one in bad]

    picky = Harness(replace(harness.resources, index=Picky(harness.database)), harness.folder)
    await drain_outbox(picky.resources)
    status = (await show_status(ADMIN, harness.resources)).index
    await tend_index(harness.resources)
    at_once = await drain_outbox(harness.resources)
    (problem,) = await list_problems(ADMIN, harness.resources, None, 10)
    assert await retry_problems(ADMIN, harness.resources, None) == 1
    await drain_outbox(harness.resources)

    assert (status.indexed, status.failed) == (71, 1)
    assert [(one.reason, one.messages) for one in status.reasons] == [("I do not like it", 1)]
    assert (problem.subject, problem.indexed, problem.attempts) == (f"about {subjects[3]}", False, 1)
    assert at_once == 0
    assert subjects == await found(harness, subjects)
    assert await list_problems(ADMIN, harness.resources, None, 10) == []


async def test_text_that_postgresql_refuses_stays_alone(harness: Harness) -> None:
    """If PostgreSQL refuses one document in a batch, only that one is set aside, with PostgreSQL's error."""
    subjects = await archived(harness)
    async with harness.administrator() as session:
        await session.execute(
            "ALTER TABLE search_documents ADD CONSTRAINT picky"
            f" CHECK (NOT document @@ phraseto_tsquery('simple', 'about {subjects[5].lower().replace('-', ' ')}'))"
        )
    await drain_outbox(harness.resources)
    status = (await show_status(ADMIN, harness.resources)).index

    assert (status.indexed, status.failed) == (71, 1)
    assert "picky" in status.reasons[0].reason
    assert [s for s in subjects if s != subjects[5]] == await found(harness, subjects)


async def test_parser_that_stumbles_stops_no_other(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that the parser fails on is indexed by its headers, with the reason, and the batch continues."""
    subjects = await archived(harness)

    def read_text(raw: bytes, *, limit: int) -> object:
        if subjects[9].encode() + b"\r\n" in raw:
            raise RecursionError("too deep")
        return bodies.read_text(raw, limit=limit)

    monkeypatch.setattr(make_documents, "read_text", read_text)
    await drain_outbox(harness.resources)
    status = (await show_status(ADMIN, harness.resources)).index

    assert (status.indexed, status.failed, status.stores[0].partly) == (72, 0, 1)
    assert [(one.reason, one.indexed) for one in status.reasons] == [("the parser failed: RecursionError", True)]
    assert len(await harness.search(f'subject:"about {subjects[9]}"')) == 1


async def test_damaged_content_is_found_by_its_headers(harness: Harness) -> None:
    """A message whose bytes are damaged is indexed by its headers and reported with the reason."""
    subjects = await archived(harness)
    async with harness.administrator() as session:
        await session.execute(
            "DELETE FROM contents WHERE message_id = (SELECT id FROM messages WHERE subject = $1)",
            f"about {subjects[0]}",
        )
    await drain_outbox(harness.resources)
    (problem,) = await list_problems(ADMIN, harness.resources, None, 10)

    assert "content ends after 0 of" in problem.reasons[0]
    assert len(await harness.search(f'subject:"about {subjects[0]}"')) == 1


async def test_two_drains_share_the_work(harness: Harness) -> None:
    """Two index workers at once never take the same row."""
    await archived(harness)
    async with harness.database.transaction() as first, harness.database.transaction() as second:
        mine = await outbox.claim(first, 40)
        yours = await outbox.claim(second, 40)

    assert (len(mine), len(yours)) == (40, 32)
    assert not {row.id for row in mine} & {row.id for row in yours}


async def test_second_run_sends_nothing_to_the_index(harness: Harness) -> None:
    """Known messages are not indexed again."""
    script = neighbourhood(mailbox("target"), ())
    async with ImapServer(script) as server:
        await archive(harness, server)
        await harness.finish(await start_run(ADMIN, harness.resources, "all"))

    assert await drain_outbox(harness.resources) == 0
