"""A man in the middle of a STARTTLS: passes everything on, and inserts plaintext at one moment before TLS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum

from tests.support.raw_server import raw_server

_PIECE = 64 * 1024


class Moment(Enum):
    """When the plaintext is inserted."""

    WITH_GREETING = "in the segment of the greeting"
    BEFORE_OK = "before the answer to STARTTLS, in its segment"
    WITH_OK = "in the segment of the OK"
    SPLIT = "half in the segment of the OK, half after it"
    BY_THE_LINE = "after the OK, a segment for each line"
    BY_THE_BYTE = "after the OK, a segment for each byte"
    AFTER_OK = "after the OK, in a segment of its own"
    AFTER_HELLO = "after the client has begun the handshake"


@asynccontextmanager
async def injecting(port: int, plaintext: bytes, moment: Moment) -> AsyncIterator[int]:
    """Run the man in the middle before the server at `port`, and yield his own port."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await _Attack(plaintext, moment, writer).play(reader, up_reader, up_writer)
        finally:
            up_writer.transport.abort()

    async with raw_server(play) as own:
        yield own


class _Attack:
    def __init__(self, plaintext: bytes, moment: Moment, client: asyncio.StreamWriter) -> None:
        self._plaintext = plaintext
        self._moment = moment
        self._client = client

    async def play(
        self, reader: asyncio.StreamReader, up_reader: asyncio.StreamReader, up_writer: asyncio.StreamWriter
    ) -> None:
        greeting = await up_reader.readuntil(b"\n")
        await self._say(greeting + (self._plaintext if self._moment is Moment.WITH_GREETING else b""))
        while True:
            command = await reader.readuntil(b"\n")
            up_writer.write(command)
            is_last = command.strip().upper().endswith((b"STARTTLS", b"STLS"))
            answer = await self._answer(command, up_reader)
            if is_last:
                break
            await self._say(answer)
        await self._say_ok(answer)
        hello = await reader.read(_PIECE)
        if self._moment is Moment.AFTER_HELLO:
            await self._say(self._plaintext)
        up_writer.write(hello)
        await asyncio.gather(_pass_on(reader, up_writer), _pass_on(up_reader, self._client))

    async def _answer(self, command: bytes, up_reader: asyncio.StreamReader) -> bytes:
        """Return the lines that answer a command: up to the tagged one with IMAP, one with POP3."""
        tag = command.split(b" ")[0]
        lines = await up_reader.readuntil(b"\n")
        while b" " in command.strip() and not lines.splitlines()[-1].startswith(tag):
            lines += await up_reader.readuntil(b"\n")
        return lines

    async def _say_ok(self, answer: bytes) -> None:
        text, half = self._plaintext, len(self._plaintext) // 2
        match self._moment:
            case Moment.BEFORE_OK:
                pieces = [text + answer]
            case Moment.WITH_OK:
                pieces = [answer + text]
            case Moment.SPLIT:
                pieces = [answer + text[:half], text[half:]]
            case Moment.BY_THE_LINE:
                pieces = [answer, *text.splitlines(keepends=True)]
            case Moment.BY_THE_BYTE:
                pieces = [answer, *(text[at : at + 1] for at in range(len(text)))]
            case Moment.AFTER_OK:
                pieces = [answer, text]
            case _:
                pieces = [answer]
        for piece in pieces:
            await self._say(piece)

    async def _say(self, data: bytes) -> None:
        self._client.write(data)
        await self._client.drain()
        await asyncio.sleep(0)  # a segment of its own: the socket has TCP_NODELAY


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_PIECE):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
