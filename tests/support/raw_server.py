"""A server of a few lines, for peers that do not even speak IMAP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def raw_server(
    play: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """Run `play` for each connection, and yield the port: for servers that do not even speak IMAP."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await play(reader, writer)
        writer.transport.abort()
        tasks.discard(task)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        await end_connections(tasks)
        await listener.wait_closed()


async def end_connections(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel the tasks that serve connections, and let the loop close their sockets."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for _ in range(3):  # an aborted transport is closed in the next iterations of the loop
        await asyncio.sleep(0)
