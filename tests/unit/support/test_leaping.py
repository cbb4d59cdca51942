"""Time that leaps."""

from __future__ import annotations

import asyncio

from tests.support.leaping import in_leaping_time
from tests.support.raw_server import raw_server


def test_what_is_sent_comes_before_a_time_out() -> None:
    """The clock leaps to the next timer, but over nothing that arrives before it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        await asyncio.sleep(3000)
        writer.write(b"late\n")
        await writer.drain()

    async def ask() -> tuple[bytes, float]:
        loop = asyncio.get_running_loop()
        async with raw_server(answer) as port:
            began = loop.time()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"hello\n")
            line = await asyncio.wait_for(reader.readline(), 3600)
            writer.close()
            return line, loop.time() - began

    line, seconds = in_leaping_time(ask())

    assert line == b"late\n"
    assert 3000 <= seconds < 3600
