"""The stream of one UID FETCH: from the protocol's callback to an iterator, with back-pressure between them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from muniment.imap.fetched import read_fetch
from muniment.imap.limits import Limits
from muniment.imap.protocol import ImapProtocol
from muniment.imap.receiver import release
from muniment.imap.refusal import Status
from muniment.imap.tokens import Part
from muniment.model.message import FetchedMessage

_ITEMS = b"(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"
_QUEUED_BATCHES = 2  # how far the server may run ahead of the consumer
_MESSAGE_BYTES = 1024  # what a waiting message costs beside its bytes and flags
_FLAG_BYTES = 64  # what a flag costs beside its characters


class FetchStream:
    """One UID FETCH for the `wanted` UIDs; `missing` are those whose messages have not come."""

    def __init__(self, protocol: ImapProtocol, wanted: set[int], limits: Limits) -> None:
        self.missing = wanted
        self.status = Status("NO", "", b"", "not asked yet")
        self._protocol = protocol
        self._max_message_bytes = limits.max_message_bytes
        self._queue: deque[FetchedMessage] = deque()
        self._queued_bytes = 0
        self._high = _QUEUED_BATCHES * limits.batch_bytes
        self._paused = False
        self._wake: asyncio.Future[None] | None = None

    async def messages(self, uid_set: str) -> AsyncGenerator[FetchedMessage, None]:
        """Send the command and yield what comes; afterwards `status` and `missing` tell how it ended."""
        command = asyncio.create_task(
            self._protocol.run("FETCH", [uid_set.encode(), _ITEMS], uid=True, on_data=self.take)
        )
        command.add_done_callback(self._awake)
        try:
            while True:
                while self._queue:
                    message = self._queue.popleft()
                    self._queued_bytes -= _cost(message)
                    if self._paused and self._queued_bytes <= self._high // 2:
                        self._paused = False
                        self._protocol.resume()
                    yield message
                if command.done():
                    break
                self._wake = asyncio.get_running_loop().create_future()
                await self._wake
            self.status = await command
        finally:
            await self._close(command)

    def take(self, keyword: bytes, parts: list[Part]) -> bool:
        """Take one untagged response; True when it is a message that was missing. Called by the protocol."""
        message = None
        if keyword == b"FETCH":
            try:
                fetched = read_fetch(parts)
                if fetched is not None and fetched.uid in self.missing:
                    message = fetched.message(self._max_message_bytes)
            finally:
                if message is None or message.raw is None:
                    release(parts)
        if message is None:
            return False  # unasked, or the second time
        self.missing.discard(message.uid)
        self._queue.append(message)
        self._queued_bytes += _cost(message)
        if self._queued_bytes > self._high and not self._paused:
            self._paused = True
            self._protocol.pause()
        self._awake()
        return True

    def _awake(self, _: object = None) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def _close(self, command: asyncio.Task[Status]) -> None:
        if not command.done():
            self._protocol.abort()  # the consumer left in the middle; the rest cannot be called off
        elif self._paused:
            self._protocol.resume()
        while self._queue:
            message = self._queue.popleft()
            if message.raw is not None:
                message.raw.close()
        await asyncio.wait([command])
        if not command.cancelled():
            command.exception()  # seen; whoever iterates has got it, or does not listen any more


def _cost(message: FetchedMessage) -> int:
    flags = sum(map(len, message.flags)) + _FLAG_BYTES * len(message.flags)
    return _MESSAGE_BYTES + flags + (message.raw.size if message.raw is not None else 0)
