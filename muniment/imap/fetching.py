"""Fetching: messages of one UID FETCH after the other, each handed on as soon as it is complete."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Container, Iterator, Mapping, Sequence
from contextlib import aclosing

from muniment.imap import tokens
from muniment.imap.batches import uid_sets
from muniment.imap.fetched import read_fetch
from muniment.imap.limits import Limits
from muniment.imap.protocol import ImapProtocol
from muniment.imap.receiver import release
from muniment.imap.refusal import Status, command_error, is_outage, is_throttle
from muniment.imap.tokens import Part
from muniment.imap.uids import fetch_items
from muniment.model.message import FetchedMessage

_ITEMS = b"(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"
_QUEUED_BATCHES = 2  # how far the server may run ahead of the consumer
_MESSAGE_BYTES = 1024  # what a waiting message costs beside its bytes and flags
_FLAG_BYTES = 64  # what a flag costs beside its characters
_PROBES = 5  # other messages that are asked for when everything is refused


async def fetch_messages(
    protocol: ImapProtocol, uids: Sequence[int], limits: Limits
) -> AsyncGenerator[FetchedMessage, None]:
    """Yield the messages among `uids`, in the server's order; those that are gone do not come.

    When the server refuses a set, what did not come is asked for one by one, and only what is
    refused then is yielded without bytes: one message that the server cannot read stops no other.
    Leaving the iterator early ends the connection.
    """
    for uid_set, members in uid_sets(sorted(set(uids))):
        stream = FetchStream(protocol, set(members), limits)
        async with aclosing(stream.messages(uid_set)) as messages:
            async for message in messages:
                yield message
        if is_throttle(stream.status):
            raise command_error(stream.status, "UID FETCH", protocol.peer)
        if not stream.status.ok:
            came = len(members) > len(stream.missing)
            async with aclosing(_one_by_one(protocol, sorted(stream.missing), limits, came=came)) as messages:
                async for message in messages:
                    yield message


async def _one_by_one(
    protocol: ImapProtocol, uids: Sequence[int], limits: Limits, *, came: bool
) -> AsyncGenerator[FetchedMessage, None]:
    """Yield each message, or its refusal once it is certain that it is about this message and no outage.

    Certain is what the server has delivered something after. `came`: whether others of the set were delivered.
    """
    refusals: dict[int, Status] = {}
    for uid in uids:
        stream = FetchStream(protocol, {uid}, limits)
        async with aclosing(stream.messages(str(uid))) as messages:
            async for message in messages:
                for refused in _refused(refusals):
                    yield refused
                refusals = {}
                came = True
                yield message
        status = stream.status
        if is_throttle(status):
            raise command_error(status, "UID FETCH", protocol.peer)
        if stream.missing and not status.ok and status.code != "EXPUNGEISSUED":  # RFC 5530: it is gone
            refusals[uid] = status
    doubtful = [status for status in refusals.values() if is_outage(status)]
    if not came and len(refusals) == len(uids) > 1:
        doubtful += refusals.values()
    if doubtful and not await _delivers_others(protocol, refusals.keys()):
        raise command_error(doubtful[0], "UID FETCH", protocol.peer)
    for refused in _refused(refusals):
        yield refused


def _refused(refusals: Mapping[int, Status]) -> Iterator[FetchedMessage]:
    for uid, status in refusals.items():
        yield FetchedMessage(uid, (), None, None, f"the server refused to deliver it: {status}")


async def _delivers_others(protocol: ImapProtocol, refused: Container[int]) -> bool:
    """Tell whether the server gives a byte of a message of the open folder that is not among the refused.

    Then it works, and it is the refused ones that it cannot read. They may well be all that was asked
    for: a run asks again for what the one before did not get.
    """
    others: set[int] = set()

    def take(keyword: bytes, parts: list[Part]) -> bool:
        before = len(others)
        try:
            if keyword == b"FETCH":
                others.update(uid for uid in _given(parts) if uid not in refused)
        finally:
            release(parts)
        return len(others) > before

    for number in _spread(protocol.exists):
        words = [b"%d" % number, b"(UID BODY.PEEK[]<0.1>)"]
        status = await protocol.run("FETCH", words, on_data=take)
        if is_throttle(status):
            raise command_error(status, "FETCH", protocol.peer)
        if others:
            break
    return bool(others)


def _given(parts: list[Part]) -> Iterator[int]:
    """Yield the UID of the message of which a FETCH response holds a part."""
    items = fetch_items(parts)
    if b"UID" in items and any(name.startswith(b"BODY[]") and body is not None for name, body in items.items()):
        yield tokens.number(items[b"UID"])


def _spread(count: int) -> list[int]:
    """Return up to `_PROBES` message numbers of a folder with `count` messages, evenly spread."""
    return sorted({1 + step * (count - 1) // (_PROBES - 1) for step in range(_PROBES)}) if count else []


class FetchStream:
    """One UID FETCH: from the protocol's callback to an iterator, with back-pressure between them."""

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
