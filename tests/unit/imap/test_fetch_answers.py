"""FETCH responses in forms that no RFC allows, or that few servers use."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from muniment.errors import ProtocolViolation
from muniment.imap import ImapSession
from muniment.imap.fetch_stream import _PartialResponses
from muniment.imap.fetched import Fetched
from muniment.mailserver import Limits
from muniment.model.folder import ServerFolder
from muniment.model.message import FetchedMessage
from muniment.model.profile import Access, Server
from tests.support.raw_server import raw_server
from tests.unit.imap.conftest import LOGIN

INBOX = ServerFolder(b"INBOX", ("INBOX",), frozenset(), None)


async def answered(limits: Limits, fetch: bytes, *, examine: bytes = b"TAG OK open\r\n") -> list[FetchedMessage]:
    """Return the messages with UIDs 1 and 2 from a server with this answer; TAG stands for the tag."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1] hello\r\n")
        for answer in (b"TAG OK [CAPABILITY IMAP4rev1] in\r\n", examine, fetch):
            writer.write(answer.replace(b"TAG", (await reader.readuntil(b"\r\n")).split()[0]))
        await reader.read()

    async with raw_server(talk) as port:
        session = await ImapSession.open(Server("127.0.0.1", port, Access.IMAP), LOGIN, limits)
        try:
            await session.examine(INBOX)
            return [message async for message in session.fetch([1, 2])]
        finally:
            session.abort()


def content(message: FetchedMessage) -> bytes:
    """Return the bytes of a message."""
    assert message.raw is not None
    return b"".join(message.raw.chunks(4096))


@pytest.mark.parametrize("between", [b"", b"\r\n", b"\r\n\r\n\r\n"])
async def test_empty_lines_too_many(limits: Limits, between: bytes) -> None:
    """Invalid line breaks after a literal and between responses do no harm and do not become content."""
    answer = (
        b"* 1 FETCH (UID 1 FLAGS () BODY[] {4}\r\nmail\r\n)\r\n"
        b"* 2 FETCH (UID 2 BODY[] {6}\r\nmail\r\n\r\n FLAGS (\\Seen))\r\n"
    )
    found = await answered(limits, answer + between + b"TAG OK fetched\r\n", examine=between + b"TAG OK open\r\n")

    assert [(m.uid, m.flags, content(m)) for m in found] == [(1, (), b"mail"), (2, ("\\Seen",), b"mail\r\n")]


DATE = b'INTERNALDATE "17-Jul-2024 02:44:25 +0000"'
RECEIVED = datetime(2024, 7, 17, 2, 44, 25, tzinfo=UTC)
PIECES: dict[str, bytes] = {
    "two pieces": b"* 1 FETCH (UID 1 FLAGS (\\Seen) " + DATE + b" RFC822.SIZE 4)\r\n"
    b"* 1 FETCH (UID 1 BODY[] {4}\r\nmail)\r\n",
    "three pieces": b"* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n* 1 FETCH (UID 1 " + DATE + b")\r\n"
    b"* 1 FETCH (UID 1 BODY[] {4}\r\nmail)\r\n",
    "newer flags": b"* 1 FETCH (UID 1 FLAGS (old) " + DATE + b")\r\n* 1 FETCH (FLAGS (\\Seen) UID 1)\r\n"
    b"* 1 FETCH (UID 1 BODY[] {4}\r\nmail)\r\n",
    "flags with the body": b"* 1 FETCH (UID 1 FLAGS (old) " + DATE + b")\r\n"
    b"* 1 FETCH (UID 1 FLAGS (\\Seen) BODY[] {4}\r\nmail)\r\n",
    "flags afterwards": b"* 1 FETCH (UID 1 FLAGS (\\Seen) " + DATE + b" BODY[] {4}\r\nmail)\r\n"
    b"* 1 FETCH (UID 1 FLAGS (new))\r\n",
    "others between": b"* 1 FETCH (UID 1 FLAGS (\\Seen) " + DATE + b")\r\n* 2 FETCH (UID 7 FLAGS (alien))\r\n"
    b"* 1 FETCH (FLAGS (nobody))\r\n* 1 FETCH (UID 1 BODY[] {4}\r\nmail)\r\n",
}


@pytest.mark.parametrize("form", PIECES)
async def test_a_message_in_pieces(limits: Limits, form: str) -> None:
    """Flags and date that arrive before the body belong to it; later ones are changes by another client."""
    (message,) = await answered(limits, PIECES[form] + b"TAG OK fetched\r\n")

    assert (message.uid, message.flags, message.internal_date) == (1, ("\\Seen",), RECEIVED)
    assert content(message) == b"mail"


async def test_two_messages_in_pieces(limits: Limits) -> None:
    """All flags may arrive first, followed by all bodies; each body gets its own flags."""
    found = await answered(
        limits,
        b"* 1 FETCH (UID 1 FLAGS (one))\r\n* 2 FETCH (UID 2 FLAGS (two))\r\n"
        b"* 2 FETCH (UID 2 BODY[] {1}\r\nb)\r\n* 1 FETCH (UID 1 BODY[] {1}\r\na)\r\nTAG OK fetched\r\n",
    )

    assert [(m.uid, m.flags, content(m)) for m in found] == [(2, ("two",), b"b"), (1, ("one",), b"a")]


async def test_a_size_that_was_told_before(limits: Limits) -> None:
    """An empty body is not a message if an earlier response announced bytes."""
    (message,) = await answered(
        limits, b"* 1 FETCH (UID 1 RFC822.SIZE 4)\r\n* 1 FETCH (UID 1 BODY[] {0}\r\n)\r\nTAG OK fetched\r\n"
    )

    assert (message.raw, message.reason) == (None, "the server sent 0 of the 4 bytes of this message")


async def test_flags_without_a_message(limits: Limits) -> None:
    """A message of which only flags arrive has not arrived."""
    assert await answered(limits, b"* 1 FETCH (UID 1 FLAGS (\\Seen))\r\nTAG OK fetched\r\n") == []


def test_pieces_that_fill_the_memory() -> None:
    """Flags of messages that do not arrive are limited; newer ones replace older ones of the same message."""
    partial = _PartialResponses()

    def add(uid: int) -> bool:
        return partial.add(Fetched(uid, ("x" * 9_000_000,), None, None, None, has_body=False))

    assert [add(1), add(1), add(1)] == [True, False, False]
    with pytest.raises(ProtocolViolation, match="attributes without"):
        add(2)
