"""The stream of one UID FETCH: from the protocol's callback to an iterator, with back-pressure between them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from functools import lru_cache

from muniment.errors import ProtocolViolation
from muniment.imap.fetched import Fetched, read_fetch
from muniment.imap.protocol import ImapProtocol
from muniment.imap.refusal import Status
from muniment.imap.tokens import Part
from muniment.mailserver.limits import Limits
from muniment.model.message import FetchedMessage

_ITEMS = b"(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"
_QUEUED_BATCHES = 2  # how far the server may run ahead of the consumer
_MESSAGE_BYTES = 1024  # what a waiting message costs beside its bytes and flags
_FLAG_BYTES = 64  # what a flag costs beside its characters
_USUAL_FLAGS = 8  # more of them are not remembered
_TOLD_BYTES = 16 * 1024 * 1024  # flags and dates that may be told before the messages come


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
        self._told = _Told()

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
        """Take one untagged response; True when it is news of a message that was missing. Called by the protocol."""
        fetched = read_fetch(parts) if keyword == b"FETCH" else None
        if fetched is None or fetched.uid not in self.missing:
            return False  # unasked, or the second time
        if not fetched.has_body:
            return self._told.add(fetched)
        message = self._told.complete(fetched).message(self._max_message_bytes)
        if message.raw is not None:
            parts.clear()  # it is ours now
        self._enqueue(message)
        return True

    def _enqueue(self, message: FetchedMessage) -> None:
        self.missing.discard(message.uid)
        self._queue.append(message)
        self._queued_bytes += _cost(message)
        if self._queued_bytes > self._high and not self._paused:
            self._paused = True
            self._protocol.pause()
        self._awake()

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


class _Told:
    """What responses without a body said of messages that are still to come: some servers answer in two pieces."""

    def __init__(self) -> None:
        self._by_uid: dict[int, Fetched] = {}
        self._bytes = 0

    def add(self, fetched: Fetched) -> bool:
        """Note what a response says, the newer word before the older; True when it is the first of its message."""
        earlier = self._take(fetched.uid)
        told = fetched if earlier is None else fetched.completed(earlier)
        self._by_uid[fetched.uid] = told
        self._bytes += _told_cost(told)
        if self._bytes > _TOLD_BYTES:
            raise ProtocolViolation(f"the server tells more than {_TOLD_BYTES} bytes of messages that do not come")
        return earlier is None

    def complete(self, fetched: Fetched) -> Fetched:
        """Return a message with what was said of it before, which is forgotten."""
        earlier = self._take(fetched.uid)
        return fetched if earlier is None else fetched.completed(earlier)

    def _take(self, uid: int) -> Fetched | None:
        earlier = self._by_uid.pop(uid, None)
        self._bytes -= 0 if earlier is None else _told_cost(earlier)
        return earlier


def _cost(message: FetchedMessage) -> int:
    return _MESSAGE_BYTES + _flag_cost(message.flags) + (message.raw.size if message.raw is not None else 0)


def _told_cost(told: Fetched) -> int:
    return _flag_cost(told.flags or ()) + len(told.date or b"")


def _flag_cost(flags: tuple[str, ...]) -> int:
    return _usual_flag_cost(flags) if len(flags) <= _USUAL_FLAGS else _any_flag_cost(flags)


def _any_flag_cost(flags: tuple[str, ...]) -> int:
    return sum(map(len, flags)) + _FLAG_BYTES * len(flags)


_usual_flag_cost = lru_cache(maxsize=1024)(_any_flag_cost)
