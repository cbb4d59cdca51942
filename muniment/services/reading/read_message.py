"""Read stored messages back: many small ones in one query, large ones in pieces."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from typing import Protocol, TypeVar

from muniment.contents.codec import PART_BYTES, EncodedPart
from muniment.db import messages
from muniment.db.database import Session
from muniment.db.messages import Part, PartOf
from muniment.errors import Damaged

#: How many small messages one query reads. Large messages are read only while they are iterated.
WINDOW_MESSAGES = 200
WINDOW_BYTES = PART_BYTES


class Stored(Protocol):
    """Anything that identifies a stored message and its size."""

    @property
    def store_id(self) -> int:
        """The id of the store that holds the message."""
        ...

    @property
    def message_id(self) -> int:
        """The message's id within the store."""
        ...

    @property
    def size(self) -> int:
        """The size of the original message in bytes."""
        ...


S = TypeVar("S", bound=Stored)


async def with_parts(session: Session, stored: AsyncIterable[S]) -> AsyncIterator[tuple[S, AsyncIterator[EncodedPart]]]:
    """Yield each message in the given order, with its stored parts.

    One query reads many small messages. The parts of a large message are read a few at a time while they are iterated,
    which must happen before the next message is requested. Iterating raises Damaged if a part is missing;
    `codec.checked_stream` verifies the rest.
    """
    async for window in _windows(stored):
        if len(window) == 1:
            (message,) = window
            yield message, _in_order(messages.parts(session, message.store_id, message.message_id))
            continue
        contents = await _contents(session, window)
        for message in window:
            yield message, _in_order(_each(contents.get((message.store_id, message.message_id), [])))


async def _windows(stored: AsyncIterable[S]) -> AsyncIterator[list[S]]:
    window: list[S] = []
    held = 0
    async for message in stored:
        if window and (held + message.size > WINDOW_BYTES or len(window) == WINDOW_MESSAGES):
            yield window
            window, held = [], 0
        window.append(message)
        held += message.size
    if window:
        yield window


async def _contents(session: Session, window: Sequence[Stored]) -> dict[tuple[int, int], list[PartOf]]:
    contents: dict[tuple[int, int], list[PartOf]] = {}
    for store_id in {message.store_id for message in window}:
        wanted = {message.message_id for message in window if message.store_id == store_id}
        for part in await messages.parts_of(session, store_id, sorted(wanted)):
            contents.setdefault((store_id, part.message_id), []).append(part)
    return contents


async def _each(parts: Sequence[PartOf]) -> AsyncIterator[PartOf]:
    for part in parts:
        yield part


async def _in_order(parts: AsyncIterable[Part | PartOf]) -> AsyncIterator[EncodedPart]:
    expected = 0
    async for part in parts:
        if part.part != expected:
            raise Damaged(f"part {expected} of the content is missing")
        expected += 1
        yield EncodedPart(part.codec, part.data)
