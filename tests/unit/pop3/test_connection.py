"""Reading from POP3 servers, valid and hostile ones; each server is a few lines of bytes."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muniment.errors import MunimentError, ProtocolViolation, ServerUnavailable
from muniment.mailserver.gate import UnlimitedSlot
from muniment.pop3.connection import Pop3Connection
from tests.support.leaping import in_leaping_time

Play = Callable[[asyncio.StreamWriter], Coroutine[Any, Any, None]]


class _Kept:
    """Keeps what it receives."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: memoryview) -> None:
        """Append some bytes."""
        self.data += bytes(data)


@asynccontextmanager
async def _connected(play: Play, *, seconds: float = 5.0) -> AsyncIterator[Pop3Connection]:
    """Connect to a server that only sends."""
    tasks: set[asyncio.Task[None] | None] = set()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        try:
            await play(writer)
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    streams = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    connection = Pop3Connection("server", streams, seconds, UnlimitedSlot())
    try:
        yield connection
    finally:
        connection.close(clean=False)
        server.close()
        for task in filter(None, tasks):
            task.cancel()
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)


def _stuffed(raw: bytes) -> bytes:
    return re.sub(rb"(^|\r\n)\.", rb"\1..", raw)


async def _read(pieces: list[bytes]) -> bytes:
    async def play(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    sink = _Kept()
    async with _connected(play) as connection:
        await connection.body(sink)
    return sink.data


@settings(deadline=None, max_examples=60)
@given(
    lines=st.lists(
        st.sampled_from([b"", b".", b"..", b"x", b".x", b"\r", b"\n.", b"a\nb", b"\x00\xff", b"y" * 70_000]),
        max_size=12,
    ),
    cuts=st.lists(st.integers(0, 100), max_size=8),
)
def test_a_message_comes_back(lines: list[bytes], cuts: list[int]) -> None:
    """Whatever the lines of a message, and however the network fragments them: it arrives unchanged, byte by byte."""
    raw = b"".join(line + b"\r\n" for line in lines)
    sent = _stuffed(raw) + b".\r\n"
    places = sorted({len(sent) * cut // 100 for cut in cuts} | {0, len(sent)})
    pieces = [sent[a:b] for a, b in itertools.pairwise(places)]
    assert asyncio.run(_read(pieces)) == raw


async def _say(
    connection_seconds: float, play: Play, read: Callable[[Pop3Connection], Coroutine[Any, Any, Any]]
) -> MunimentError:
    async with _connected(play, seconds=connection_seconds) as connection:
        with pytest.raises(MunimentError) as caught:
            await read(connection)
        with pytest.raises(ServerUnavailable):
            await connection.run("NOOP")  # the connection is closed
    return caught.value


async def _for_ever(writer: asyncio.StreamWriter, piece: bytes) -> None:
    while True:
        writer.write(piece)
        await writer.drain()


async def test_endless_lines_and_lists() -> None:
    """Endless input ends in an error before it fills the memory."""
    line = await _say(5.0, lambda writer: _for_ever(writer, b"x" * 65536), lambda c: c.greeting())
    assert isinstance(line, ProtocolViolation)
    listed = await _say(
        30.0, lambda writer: _for_ever(writer, b"1 1\r\n" + b"2 " + b"9" * 500_000 + b"\r\n"), lambda c: c.lines()
    )
    assert "endless list" in str(listed)


def test_silence_and_drops() -> None:
    """A silent server, and one that sends a byte now and then, end the wait: after the timeout, or ten times that."""

    async def silent(_: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    async def drips(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(15)

    assert "did not respond" in str(in_leaping_time(_say(60, silent, lambda c: c.greeting())))
    assert "almost no progress" in str(in_leaping_time(_say(60, drips, lambda c: c.body(_Kept()))))


async def test_more_than_was_asked_for() -> None:
    """Data after the end of a message belongs to no response."""

    async def play(writer: asyncio.StreamWriter) -> None:
        writer.write(b"x\r\n.\r\n+OK what?\r\n")
        await asyncio.Event().wait()

    assert isinstance(await _say(5.0, play, lambda c: c.body(_Kept())), ProtocolViolation)


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=300))
def test_any_bytes_end_well(data: bytes) -> None:
    """Whatever a server sends: a result, or one of our errors."""

    async def talk() -> None:
        async def play(writer: asyncio.StreamWriter) -> None:
            writer.write(data)
            await writer.drain()

        reads: list[Callable[[Pop3Connection], Coroutine[Any, Any, Any]]] = [
            lambda c: c.greeting(),
            lambda c: c.lines(),
            lambda c: c.body(_Kept()),
        ]
        for read in reads:
            async with _connected(play) as connection:
                try:
                    await read(connection)
                except MunimentError:
                    pass

    asyncio.run(talk())
