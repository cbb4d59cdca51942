"""A query has the same meaning on every index, and finds exactly what it should."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from muniment.errors import BadQuery, Conflict, Misconfigured
from muniment.model.run import RunState
from muniment.search import Facet, OpenSearchIndex, Sort
from muniment.services.searching.saved_searches import (
    list_searches,
    remove_search,
    request_search,
    run_requested_searches,
    save_search,
)
from muniment.services.searching.search_messages import Found
from tests.integration.search.library import ANNA, BEN, LETTERS, QUERIES, Letter
from tests.support.harness import Harness
from tests.support.imap_script import Folder, Mail, Script
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import archive, mailbox


def library(letters: Sequence[Letter], uidvalidity: int = 1) -> dict[bytes, Folder]:
    """Return a mailbox with these messages; two mailboxes of the same shape would be taken for one."""
    folders: dict[bytes, list[Mail]] = {}
    for letter in letters:
        mails = folders.setdefault(letter.folder, [])
        mails.append(Mail(len(mails) + 1, letter.content, letter.flags))
    return {name: Folder(mails, uidvalidity=uidvalidity) for name, mails in folders.items()}


async def read_in(harness: Harness, letters: Sequence[Letter] = LETTERS) -> None:
    """Archive and index Anna's messages, and Ben's, which are different."""
    script = Script(mailboxes={ANNA: library(letters), BEN: mailbox("ben")})
    async with ImapServer(script) as server:
        assert (await archive(harness, server)).run.state is RunState.SUCCEEDED


def ids(found: Found) -> set[str]:
    """Return the ids of the messages found."""
    subjects = {letter.subject: letter.id for letter in LETTERS}
    return {subjects[hit.subject] for hit in found.hits}


async def test_every_query_finds_what_it_should(searching: Harness) -> None:
    """Each of more than a hundred queries in many languages finds exactly the listed messages."""
    await read_in(searching)
    wrong = []
    for query, expected in QUERIES:
        found = await searching.found(query, ANNA)
        if (ids(found), found.total) != (set(expected.split()), len(expected.split())):
            wrong.append((query, expected, " ".join(sorted(ids(found))), found.total))

    assert wrong == []


async def test_pages_have_no_gaps(searching: Harness) -> None:
    """Paging in either order returns every match once, even if mail arrives meanwhile."""
    await read_in(searching)
    for sort in Sort:
        everything = await searching.found("-nonesuch", ANNA, sort=sort)
        pages: list[str] = []
        page = ""
        while True:
            found = await searching.found("-nonesuch", ANNA, sort=sort, limit=7, page=page)
            assert found.total == len(LETTERS)
            pages += [hit.subject for hit in found.hits]
            page = found.following
            if not page:
                break

        assert pages == [hit.subject for hit in everything.hits]
        assert len(set(pages)) == len(LETTERS)


async def test_pages_of_another_search_are_refused(searching: Harness) -> None:
    """A page token is valid only for its query and order; for any other search there is an error."""
    await read_in(searching)
    page = (await searching.found("invoice", ANNA, limit=1)).following

    for query, options in (("report", {"page": page}), ("invoice", {"page": page, "sort": Sort.RELEVANCE})):
        with pytest.raises(Misconfigured, match="another search"):
            await searching.found(query, ANNA, **options)
    with pytest.raises(Misconfigured, match="names no page"):
        await searching.found("invoice", ANNA, page="x" * 40)


async def test_order(searching: Harness) -> None:
    """By date, the newest come first; by relevance, subject before text, then the newest."""
    await read_in(
        searching,
        [
            Letter("in-text", "Something", "about the zeppelin", date="Fri, 01 Mar 2024 10:00:00 +0000"),
            Letter("in-subject", "Zeppelin", "about something", date="Wed, 01 Mar 2023 10:00:00 +0000"),
            Letter("older", "Anything", "a zeppelin again", date="Tue, 01 Mar 2022 10:00:00 +0000"),
            Letter(
                "person",
                "Led",
                "and the others",
                sender="Z <zeppelin@x.example>",
                date="Mon, 01 Mar 2021 10:00:00 +0000",
            ),
        ],
    )
    by_date = await searching.found("zeppelin", ANNA)
    by_relevance = await searching.found("zeppelin", ANNA, sort=Sort.RELEVANCE)

    assert [hit.subject for hit in by_date.hits] == ["Something", "Zeppelin", "Anything", "Led"]
    assert [hit.subject for hit in by_relevance.hits] == ["Zeppelin", "Led", "Something", "Anything"]


async def test_facets_and_snippets(searching: Harness) -> None:
    """Facets count the matches, and snippets show them, including those in attachments."""
    await read_in(searching)
    everything = await searching.found("-nonesuch", ANNA, facets=True)
    few = await searching.found("platypus", ANNA, facets=True, snippets=True)
    invoices = await searching.found("invoices paid", ANNA, snippets=True)

    assert everything.facets[Facet.YEAR] == {"2024": 36, "2022": 1, "2023": 1}
    assert everything.facets[Facet.TYPE] == {"archive": 1, "image": 1, "word": 1}
    assert everything.facets[Facet.FOLDER] == {
        f"{ANNA}/INBOX": 35,
        f"{ANNA}/Archiv": 1,
        f"{ANNA}/Projects": 1,
        f"{ANNA}/Projects/Apollo": 1,
    }
    assert few.facets[Facet.SENDER] == {"carol@north.example": 1}
    assert few.hits[0].snippet is not None
    assert ("platypus", True) in few.hits[0].snippet.pieces
    assert invoices.hits[0].snippet is not None
    assert {text for text, match in invoices.hits[0].snippet.pieces if match} == {"invoice", "paid"}


@pytest.mark.parametrize("query", ["(", '"', "a OR", "nofield:x", "before:soon", "larger:much", "*x", "-", "has:wings"])
async def test_bad_queries_say_where(searching: Harness, query: str) -> None:
    """An invalid query is refused with the position of the error, before any index is queried."""
    with pytest.raises(BadQuery) as error:
        await searching.found(query, None)

    assert "at character" in str(error.value)


async def test_long_texts_are_found_to_their_end(searching: Harness) -> None:
    """Phrases are found beyond the positions that PostgreSQL counts, and after a thousand repetitions of a word."""
    filler = " ".join(f"filler{number}" for number in range(20_000))
    await read_in(
        searching,
        [
            Letter("long", "Long", f"first words {filler} zebra crossing at the end"),
            Letter("dull", "Dull", "again and " * 1_000 + "then a zebra crossing and again"),
            Letter("apart", "Apart", f"zebra {filler} crossing"),
        ],
    )
    phrase = await searching.found('"zebra crossing"', ANNA)
    words = await searching.found("zebra crossing", ANNA)
    field = await searching.found('body:"at the end"', ANNA)
    start = await searching.found('"first words filler0"', ANNA)
    across = await searching.found('"filler15999 filler16000 filler16001"', ANNA)

    assert {hit.subject for hit in phrase.hits} == {"Long", "Dull"}
    assert {hit.subject for hit in words.hits} == {"Long", "Dull", "Apart"}
    assert [[hit.subject for hit in found.hits] for found in (field, start)] == [["Long"], ["Long"]]
    assert {hit.subject for hit in across.hits} == {"Long", "Apart"}


async def test_saved_searches_are_run_by_the_scheduler(searching: Harness) -> None:
    """A requested saved search runs as its user and its count is stored; an invalid one shows why it failed."""
    await read_in(searching)
    await save_search(ADMIN, searching.resources, ANNA, "bills", "invoice OR rechnung")
    await save_search(ADMIN, searching.resources, BEN, "bills", "invoice OR rechnung")
    with pytest.raises(Conflict):
        await save_search(ADMIN, searching.resources, ANNA, "Bills", "other")
    with pytest.raises(BadQuery):
        await save_search(ADMIN, searching.resources, ANNA, "broken", "(")
    await run_requested_searches(ADMIN, searching.resources)
    before = await list_searches(ADMIN, searching.resources, ANNA)
    for user in (ANNA, BEN):
        await request_search(ADMIN, searching.resources, user, "BILLS")
    if isinstance(searching.resources.index, OpenSearchIndex):
        await searching.resources.index.refresh()
    await run_requested_searches(ADMIN, searching.resources)
    after = await list_searches(ADMIN, searching.resources, None)
    await remove_search(ADMIN, searching.resources, BEN, "bills")

    assert [(one.results, one.last_run) for one in before] == [(None, None)]
    assert {(one.user_name, one.results, one.error, one.requested) for one in after} == {
        (ANNA, 4, None, None),
        (BEN, 0, None, None),
    }
    assert [one.user_name for one in await list_searches(ADMIN, searching.resources, None)] == [ANNA]
