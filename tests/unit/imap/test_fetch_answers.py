"""Forms in which servers answer a FETCH that no rule foresees, or that few of them use."""

from __future__ import annotations

import asyncio

import pytest

from muniment.imap import ImapSession, Limits
from muniment.model.folder import ServerFolder
from muniment.model.message import FetchedMessage
from muniment.model.profile import Access, Server
from tests.support.raw_server import raw_server
from tests.unit.imap.conftest import LOGIN

INBOX = ServerFolder(b"INBOX", ("INBOX",), frozenset(), None)


async def answered(limits: Limits, fetch: bytes, *, examine: bytes = b"TAG OK open\r\n") -> list[FetchedMessage]:
    """Return the messages with UIDs 1 and 2 as a server gives them that answers so; TAG stands for the tag."""

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
    """Line ends behind a literal and between responses that no rule allows neither disturb nor become content."""
    answer = (
        b"* 1 FETCH (UID 1 FLAGS () BODY[] {4}\r\nmail\r\n)\r\n"
        b"* 2 FETCH (UID 2 BODY[] {6}\r\nmail\r\n\r\n FLAGS (\\Seen))\r\n"
    )
    found = await answered(limits, answer + between + b"TAG OK fetched\r\n", examine=between + b"TAG OK open\r\n")

    assert [(m.uid, m.flags, content(m)) for m in found] == [(1, (), b"mail"), (2, ("\\Seen",), b"mail\r\n")]
