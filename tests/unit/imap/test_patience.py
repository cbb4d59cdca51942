from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from muniment.errors import ServerUnavailable
from muniment.imap import ImapSession
from muniment.imap.receiver import Receiver
from muniment.mailserver import Limits
from muniment.mailserver.patience import MIN_BYTES_PER_SECOND, STRETCH, Patience
from muniment.model.folder import ServerFolder
from muniment.model.profile import Access, Server
from tests.support.leaping import in_leaping_time
from tests.support.raw_server import raw_server
from tests.unit.imap.conftest import LOGIN

INBOX = ServerFolder(b"INBOX", ("INBOX",), frozenset(), None)
BAUD_9600 = 960  # bytes per second
T = 60.0  # in leaping time


def test_silence() -> None:
    """A silent server has the timeout, counted from the command or from its last data."""
    patience = Patience(60, 0)

    assert patience.timeout_reason(59.9) is None
    assert patience.timeout_reason(patience.deadline) == "did not respond for 60 s"
    patience.keep_alive(50)
    assert patience.deadline == 110
    patience.progress(100)
    assert patience.deadline == 160


def test_keep_alives_stretch_the_wait_to_ten_times() -> None:
    """`* OK Still here` every 15 s extends the wait to 600 s, and no longer."""
    patience = Patience(60, 0)
    for now in range(0, 600, 15):
        assert patience.timeout_reason(now) is None
        patience.keep_alive(now)

    assert patience.deadline == 600
    assert patience.timeout_reason(600) == "made almost no progress for 600 s"


@pytest.mark.parametrize("timeout", [0.5, 10, 60, 300])
def test_a_slow_line_is_not_silence(timeout: float) -> None:
    """A message of 5 MB over 9600 baud may take an hour and a half."""
    patience = Patience(timeout, 0)
    for now in range(5_000_000 // BAUD_9600):
        if timeout >= 1:
            assert patience.timeout_reason(now) is None
        patience.trickle(now, BAUD_9600)

    assert patience.timeout_reason(now + timeout / 2) is None


@pytest.mark.parametrize("rate", [1, 10, MIN_BYTES_PER_SECOND - 1])
def test_a_drip_is_silence(rate: int) -> None:
    """A message that arrives byte by byte is aborted after ten times the timeout."""
    patience = Patience(60, 0)
    for now in range(STRETCH * 60):
        assert patience.timeout_reason(now) is None
        patience.trickle(now, rate)

    assert patience.timeout_reason(STRETCH * 60) is not None


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        (b"* 1 FETCH (UID 1 BODY[] {100}\r\nx", 1),
        (b"* 1 FETCH (UID 1 BODY[] {2}\r\nxx FLAGS (", len("xx FLAGS (") - 2),
        (b"* SEARCH 1 2 3", len("* SEARCH 1 2 3")),
        (b"* OK still searching", 0),
        (b"* bye bye bye", 0),
        (b"* PREAUTH x", 0),
        (b"* OK", 0),
        (b"A0001 OK done and done", 0),
        (b"+ go on, go on", 0),
    ],
)
def test_which_bytes_are_pieces_of_an_answer(limits: Limits, line: bytes, counts: int) -> None:
    """Bytes of incomplete messages and lists count as progress; those of short lines do not."""
    receiver = Receiver(limits, lambda _: None)
    receiver.feed(line)

    assert receiver.trickled == counts
    slow = Receiver(limits, lambda _: None)
    for at in range(len(line)):
        slow.feed(line[at : at + 1])
    assert bool(slow.trickled) == (bool(counts) or b"FETCH" in line)


DRIPS: dict[str, tuple[bytes, bytes]] = {
    "keep-alives": (b"", b"* OK still here\r\n"),
    "a keep-alive by the byte": (b"* OK ", b"z"),
    "unsolicited data": (b"", b"* 5 EXISTS\r\n"),
    "flags of other messages": (b"", b"* 1 FETCH (UID 7 FLAGS ())\r\n"),
    "an unsolicited message": (b"", b"* 1 FETCH (UID 7 BODY[] {1}\r\nx)\r\n"),
    "questions": (b"", b"+ go on\r\n"),
    "a message by the byte": (b"* 1 FETCH (UID 1 BODY[] {1000000}\r\n", b"x"),
    "a list by the byte": (b"* SEARCH 1", b"1"),
    "a tagged line by the byte": (b"TAG OK", b" "),
}


async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answers: AsyncIterator[bytes]) -> None:
    """Let a client log in and open a folder, then send these answers."""
    writer.write(b"* OK [CAPABILITY IMAP4rev1] hello\r\n")
    for rest in (b" OK [CAPABILITY IMAP4rev1] in\r\n", b" OK [READ-ONLY] open\r\n"):
        writer.write((await reader.readuntil(b"\r\n")).split()[0] + rest)
    tag = (await reader.readuntil(b"\r\n")).split()[0]
    async for answer in answers:
        writer.write(answer.replace(b"TAG", tag))
        await writer.drain()


async def fetch_one(port: int, limits: Limits, timeout_seconds: float) -> list[bytes]:
    """Return the content of the message with UID 1."""
    session = await ImapSession.open(
        Server("127.0.0.1", port, Access.IMAP, timeout_seconds=timeout_seconds), LOGIN, limits
    )
    try:
        await session.examine(INBOX)
        return [b"".join(m.raw.chunks(4096)) async for m in session.fetch([1]) if m.raw is not None]
    finally:
        session.abort()


@pytest.mark.parametrize("drip", DRIPS)
def test_a_server_that_drips_does_not_keep_us(limits: Limits, drip: str) -> None:
    """Whatever a server sends every few moments instead of its answer, the wait ends."""
    start, drop = DRIPS[drip]

    async def drops() -> AsyncIterator[bytes]:
        yield start
        while True:
            yield drop
            await asyncio.sleep(T / 4)  # the behaviour under test

    async def fetch() -> None:
        async with raw_server(lambda reader, writer: play(reader, writer, drops())) as port:
            with pytest.raises(ServerUnavailable, match="did not respond|almost no progress"):
                await asyncio.wait_for(fetch_one(port, limits, T), STRETCH * T * 5)

    in_leaping_time(fetch())


@pytest.mark.parametrize("drop", [b"* OK Hang in there..\r\n", b"* 5 EXISTS\r\n"])
def test_a_server_that_says_it_works(limits: Limits, drop: bytes) -> None:
    """A server that keeps the connection alive while it works gets three timeouts and more."""

    async def slowly() -> AsyncIterator[bytes]:
        for _ in range(6):
            await asyncio.sleep(T / 2)  # this is what it is about
            yield drop
        yield b"* 1 FETCH (UID 1 FLAGS () BODY[] {4}\r\nmail)\r\nTAG OK done\r\n"

    async def fetch() -> list[bytes]:
        async with raw_server(lambda reader, writer: play(reader, writer, slowly())) as port:
            return await fetch_one(port, limits, T)

    assert in_leaping_time(fetch()) == [b"mail"]


def test_a_slow_message_comes_whole(limits: Limits) -> None:
    """A message that comes at the pace of a slow line may take longer than ten timeouts."""
    timeout, pause = 10.0, 2.5
    piece = b"x" * round(pause * BAUD_9600)

    async def slowly() -> AsyncIterator[bytes]:
        yield b"* 1 FETCH (UID 1 FLAGS () BODY[] {%d}\r\n" % (60 * len(piece))
        for _ in range(60):
            await asyncio.sleep(pause)  # this is what it is about
            yield piece
        yield b")\r\nTAG OK done\r\n"

    async def fetch() -> list[bytes]:
        async with raw_server(lambda reader, writer: play(reader, writer, slowly())) as port:
            return await fetch_one(port, replace(limits, spool_bytes=1_000_000), timeout)

    assert in_leaping_time(fetch()) == [60 * piece]
