"""No query finds, counts or shows other users' mail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from muniment.errors import BadQuery, Forbidden, NotFound
from muniment.model.run import RunState
from muniment.search import Sort
from muniment.services.access.principal import Principal
from muniment.services.searching.search_messages import Search, search_messages
from tests.integration.search.library import ANNA, BEN, Letter
from tests.integration.search.test_queries import library
from tests.support.harness import Harness
from tests.support.imap_script import Script
from tests.support.imap_server import ImapServer
from tests.support.scripted import archive

ROOT = Principal.administrator("root@here")

SHARED = Letter("shared", "For everybody", "the canteen is closed", folder=b"INBOX")
SECRET = Letter(
    "secret",
    "Takeover of Northwind",
    "the price is nine million",
    sender="Chief <chief@secret.example>",
    folder=b"Takeover",
    flags=("\\Flagged", "\\Answered"),
    files=(("northwind.csv", "text/csv", b"price;nine million"),),
    date="Fri, 01 Mar 2019 10:00:00 +0000",
)
OWN = Letter("own", "My lunch", "soup again", folder=b"INBOX", flags=())

#: If any of these found more than Anna's own two messages, it would reveal something about Ben's mail.
ATTACKS = [
    *("northwind", "takeover", '"nine million"', "subject:takeover", "from:chief", "from:secret.example", "north*"),
    *("attachment:price", "filename:northwind.csv", "folder:takeover", "folder:*", "folder:take*", "is:flagged"),
    *(
        "is:answered",
        "has:attachment",
        "type:text",
        "before:2020",
        "on:2019",
        "archive:ben",
        "archive:*",
        "archive:ben*",
    ),
    *("messageid:secret@library.example", "larger:1", "smaller:1G", "-soup", "-folder:inbox", "-is:unread"),
    *("-archive:anna@example.com", "soup OR northwind", "(northwind OR price) -soup", "NOT soup NOT canteen"),
    *('folder:"takeover"', "folder:ben@example.com/takeover", f"folder:{BEN}", f"to:{ANNA} OR from:chief"),
    *("1/flagged", "2/flagged", "@f/chief", "'northwind':*", "northwind:*A", "_id:1", "*:* OR 1", "~northwind"),
    *("n?rthwind", "n*d", "p* OR n*", "folder:../ben@example.com", "folder:%", "archive:%", "archive:'"),
]


async def read_in(harness: Harness) -> None:
    """Archive a message that both have, one of Ben's, and one of Anna's."""
    script = Script(mailboxes={ANNA: library([SHARED, OWN]), BEN: library([SHARED, SECRET], 2)})
    async with ImapServer(script) as server:
        assert (await archive(harness, server)).run.state is RunState.SUCCEEDED


async def test_nobody_finds_what_is_not_his(searching: Harness) -> None:
    """No query finds, counts, pages, sorts, names or quotes another user's mail; shared mail shows the user's place."""
    await read_in(searching)
    own = {SHARED.subject, OWN.subject}
    told = []
    for query in ATTACKS:
        for sort in Sort:
            try:
                found = await searching.found(query, ANNA, sort=sort, facets=True, snippets=True)
            except BadQuery:  # the error only repeats the query
                continue
            shown = repr([found.hits, found.facets, found.following]).lower()
            names = {hit.subject for hit in found.hits}
            users = {place.user for hit in found.hits for place in hit.places}
            counted = {count for values in found.facets.values() for count in values.values()}
            if (
                not names <= own
                or users - {ANNA}
                or found.total != len(names)
                or max(counted, default=0) > found.total
                or any(word in shown for word in ("takeover", "million", "ben@", "2019", "chief"))
            ):
                told.append((query, sort, names, found.total, found.facets))

    assert told == []


async def test_flags_and_folders_of_others_do_not_count(searching: Harness) -> None:
    """A message that both users have is flagged only for the one who flagged it, and found only in their folder."""
    flagged = replace(SHARED, folder=b"Private", flags=("\\Flagged",))
    script = Script(mailboxes={ANNA: library([SHARED]), BEN: library([flagged, OWN], 2)})
    async with ImapServer(script) as server:
        assert (await archive(searching, server)).run.state is RunState.SUCCEEDED

    assert [len(await searching.search("canteen is:flagged", user)) for user in (ANNA, BEN, None)] == [0, 1, 1]
    assert [len(await searching.search("canteen folder:private", user)) for user in (ANNA, BEN, None)] == [0, 1, 1]
    (both,) = await searching.search("canteen")
    assert [place.user for place in both.places] == [ANNA, BEN]


async def test_who_may_not_read_finds_nothing(searching: Harness) -> None:
    """A user without the right to read their archive is refused, and an unknown user is reported as such."""
    await read_in(searching)
    async with searching.database.session() as session:
        await session.execute("UPDATE users SET own_archive = '{}' WHERE name = $1", ANNA)

    with pytest.raises(Forbidden):
        await searching.search("soup", ANNA)
    with pytest.raises(NotFound):
        await searching.search("soup", "nobody")


async def test_administrators_see_others_only_where_it_is_allowed(searching: Harness) -> None:
    """Without the setting, administrators cannot search all archives; each search for another user is audited."""
    await read_in(searching)
    closed = searching.with_settings(administrators_search=False)
    with pytest.raises(Forbidden, match="may not search everybody"):
        await search_messages(ROOT, closed.resources, Search("northwind"))
    await searching.found("soup")
    everything = await search_messages(ROOT, searching.resources, Search("northwind"))
    await search_messages(ROOT.on_behalf_of(ANNA), closed.resources, Search("soup"))
    await search_messages(Principal.archive_user(ANNA), closed.resources, Search("my own"))
    await search_messages(Principal.administrator(ANNA).on_behalf_of(ANNA), closed.resources, Search("namesake"))
    async with searching.database.session() as session:
        rows = await session.values(
            "SELECT who || ' ' || subject || ' ' || (details ->> 'query') FROM audit"
            " WHERE action = 'archive searched' ORDER BY id"
        )

    assert rows == [
        "root@here all northwind",  # refused, and recorded as well
        "admin@test all soup",
        "root@here all northwind",
        f"root@here {ANNA} soup",
        f"{ANNA} {ANNA} namesake",
    ]
    assert [hit.subject for hit in everything.hits] == [SECRET.subject]


async def test_what_left_an_archive_is_not_shown(searching: Harness) -> None:
    """A message that lost its last place in an archive is not shown, even before the index is updated."""
    await read_in(searching)
    async with searching.administrator() as session:
        await session.execute(
            "DELETE FROM entries WHERE message_id = (SELECT id FROM messages WHERE subject = $1)", OWN.subject
        )

    assert await searching.search("soup", ANNA) == []
