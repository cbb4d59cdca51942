"""Regressions found by fuzzing: responses of servers that lie, or mix in unsolicited data."""

from __future__ import annotations

import asyncio

import pytest

from muniment.errors import ProtocolViolation
from muniment.imap import ImapSession
from muniment.imap.fetched import read_fetch
from muniment.imap.tokens import MAX_CLAIM, number
from muniment.imap.uids import UidListing
from muniment.mailserver import Limits
from muniment.model.folder import ServerFolder
from muniment.model.profile import Access, Server
from tests.support.raw_server import raw_server
from tests.unit.imap.conftest import LOGIN

INBOX = ServerFolder(b"INBOX", ("INBOX",), frozenset(), None)


async def look_at_inbox(limits: Limits, *answers: bytes) -> None:
    """Open INBOX on a server with these answers, one per command: message 3 is the oldest, and no number too large."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1] hello\r\n")
        for text in (b"TAG OK [CAPABILITY IMAP4rev1] in\r\n", *answers):
            writer.write(text.replace(b"TAG", (await reader.readuntil(b"\r\n")).split()[0]))
        await reader.read()

    async with raw_server(talk) as port:
        session = await ImapSession.open(Server("127.0.0.1", port, Access.IMAP), LOGIN, limits)
        try:
            status = await session.examine(INBOX)
            assert status.uidnext is None or status.uidnext < 2**63
            assert await session.oldest_messages() == [(3, "Message-ID: <1@x>")]
        finally:
            session.abort()


def test_an_atom_is_no_content() -> None:
    """An atom in place of a message's string is not stored."""
    fetched = read_fetch([b"* 1 FETCH (UID 7 BODY[] hello)"])

    assert fetched is not None
    message = fetched.message(1000)
    assert (message.raw, message.reason) == (None, "the server sent no content (not a string) for this message")


async def test_numbers_that_no_column_takes_are_not_told(limits: Limits) -> None:
    """A UIDNEXT of 2^63 is ignored, and a flag update of another message is not its header."""
    await look_at_inbox(
        limits,
        b"* OK [UIDNEXT 9223372036854775808] next\r\n* 2 EXISTS\r\nTAG OK open\r\n",
        b"* 2 FETCH (UID 4 FLAGS (\\Seen))\r\n"
        b"* 1 FETCH (UID 3 INTERNALDATE NIL BODY[HEADER.FIELDS (MESSAGE-ID)] {21}\r\nMessage-ID: <1@x>\r\n\r\n)\r\n"
        b"TAG OK fetched\r\n",
    )


def test_only_claims_may_be_absurd() -> None:
    """A size may have any value, because it is not stored; a stored number may not."""
    assert number(b"9223372036854775808", MAX_CLAIM) == 2**63
    with pytest.raises(ProtocolViolation):
        number(b"9223372036854775808")


def test_ranges_that_overlap_name_each_uid_once() -> None:
    """A UID appears once and in order, however often the server's ranges contain it."""
    listing = UidListing({b"ESEARCH"})
    listing.take(b"ESEARCH", [b'* ESEARCH (TAG "A1") UID ALL 7:9,3:8,1,9'])

    assert list(listing.sorted()) == [1, 3, 4, 5, 6, 7, 8, 9]


def test_flags_in_the_middle_of_a_search_are_no_hits() -> None:
    """An unsolicited FETCH during a SEARCH reports flags, not search results."""
    listing = UidListing({b"SEARCH", b"ESEARCH"})

    assert not listing.take(b"FETCH", [b"* 5 FETCH (UID 12 FLAGS ())"])
    assert not listing.sorted()
