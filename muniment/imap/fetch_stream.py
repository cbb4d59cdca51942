"""The stream of one UID FETCH: turns the protocol's callbacks into an iterator, with back-pressure."""

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
_MESSAGE_BYTES = 1024  # overhead of a queued message beyond its bytes and flags
_FLAG_BYTES = 64  # overhead of a flag beyond its characters
_USUAL_FLAGS = 8  # the cost of longer lists is not cached
_PARTIAL_BYTES = 16 * 1024 * 1024  # flags and dates held for messages that have not arrived


class FetchStream:
    """One UID FETCH for the `wanted` UIDs; `missing` holds those whose messages have not arrived."""

    def __init__(self, protocol: ImapProtocol, wanted: set[int], limits: Limits) -> None:
        self.missing = wanted
        self.status = Status("NO", "", b"", "not sent yet")
        self._protocol = protocol
        self._max_message_bytes = limits.max_message_bytes
        self._queue: deque[FetchedMessage] = deque()
        self._queued_bytes = 0
        self._high = _QUEUED_BATCHES * limits.batch_bytes
        self._paused = False
        self._wake: asyncio.Future[None] | None = None
        self._partial = _PartialResponses()

    async def messages(self, uid_set: str) -> AsyncGenerator[FetchedMessage, None]:
        """Send the command and yield the messages; afterwards `status` and `missing` hold the outcome."""
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
        """Process one untagged response; return whether it concerns a missing message. Called by the protocol."""
        fetched = read_fetch(parts) if keyword == b"FETCH" else None
        if fetched is None or fetched.uid not in self.missing:
            return False  # unsolicited or repeated
        if not fetched.has_body:
            return self._partial.add(fetched)
        message = self._partial.complete(fetched).message(self._max_message_bytes)
        if message.raw is not None:
            parts.clear()  # keeps the protocol from closing the body
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
            self._protocol.abort()  # the consumer stopped early, and IMAP cannot cancel a FETCH
        elif self._paused:
            self._protocol.resume()
        while self._queue:
            message = self._queue.popleft()
            if message.raw is not None:
                message.raw.close()
        await asyncio.wait([command])
        if not command.cancelled():
            command.exception()  # mark it as retrieved: the iterator has raised it or is closed


class _PartialResponses:
    """Collects FETCH responses without a body: some servers send a message's attributes and body separately."""

    def __init__(self) -> None:
        self._by_uid: dict[int, Fetched] = {}
        self._bytes = 0

    def add(self, fetched: Fetched) -> bool:
        """Merge a response, newer values first; return whether it is the first one of its message."""
        earlier = self._take(fetched.uid)
        merged = fetched if earlier is None else fetched.completed(earlier)
        self._by_uid[fetched.uid] = merged
        self._bytes += _partial_cost(merged)
        if self._bytes > _PARTIAL_BYTES:
            raise ProtocolViolation(
                f"the server sent more than {_PARTIAL_BYTES} bytes of attributes without the messages' bodies"
            )
        return earlier is None

    def complete(self, fetched: Fetched) -> Fetched:
        """Return a message completed with its earlier responses, and drop those."""
        earlier = self._take(fetched.uid)
        return fetched if earlier is None else fetched.completed(earlier)

    def _take(self, uid: int) -> Fetched | None:
        earlier = self._by_uid.pop(uid, None)
        self._bytes -= 0 if earlier is None else _partial_cost(earlier)
        return earlier


def _cost(message: FetchedMessage) -> int:
    return _MESSAGE_BYTES + _flag_cost(message.flags) + (message.raw.size if message.raw is not None else 0)


def _partial_cost(fetched: Fetched) -> int:
    return _flag_cost(fetched.flags or ()) + len(fetched.date or b"")


def _flag_cost(flags: tuple[str, ...]) -> int:
    return _usual_flag_cost(flags) if len(flags) <= _USUAL_FLAGS else _any_flag_cost(flags)


def _any_flag_cost(flags: tuple[str, ...]) -> int:
    return sum(map(len, flags)) + _FLAG_BYTES * len(flags)


_usual_flag_cost = lru_cache(maxsize=1024)(_any_flag_cost)
