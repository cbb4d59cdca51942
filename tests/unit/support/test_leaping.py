"""Time that leaps."""

from __future__ import annotations

import asyncio
import threading

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


def test_threads_end_in_real_time() -> None:
    """A thread that is still busy at the end is waited for, and no leap makes the loop give it up."""
    released = threading.Event()
    threading.Timer(0.2, released.set).start()

    async def leave_behind() -> None:
        asyncio.get_running_loop().run_in_executor(None, released.wait)
        await asyncio.sleep(0)

    in_leaping_time(leave_behind())

    assert released.is_set()
