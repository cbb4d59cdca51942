"""Contents in PostgreSQL: each part is a row beside its message."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence

from muniment.contents.codec import PART_BYTES, EncodedPart
from muniment.contents.port import NewContent, S, Stored
from muniment.db import contents as rows
from muniment.db.contents import NewPart, Part
from muniment.db.database import Database, Session
from muniment.errors import Damaged

#: Small messages are read together up to these limits; nothing of a larger one is read before it is asked for.
WINDOW_MESSAGES = 200
WINDOW_BYTES = PART_BYTES

#: Parts of a large message that are read with one query, so that it is never in memory as a whole.
_FEW = 2


class PostgresContents:
    """Writes in the transaction that adds the messages; reads many small messages with one query."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, session: Session, store_id: int, contents: Iterable[NewContent]) -> None:
        """Copy the parts into the table, as they come."""
        await rows.write(session, store_id, _rows(contents))

    async def read(self, stored: AsyncIterable[S]) -> AsyncIterator[tuple[S, AsyncIterator[EncodedPart]]]:
        """Yield each message with its parts."""
        async for window in _windows(stored):
            if len(window) == 1:
                (message,) = window
                yield message, _in_order(self._parts(message))
                continue
            found = await self._window(window)
            for message in window:
                yield message, _in_order(_each(found.get((message.store_id, message.message_id), [])))

    async def _parts(self, message: Stored) -> AsyncIterator[Part]:
        first = 0
        while True:
            async with self._database.session() as session:
                few = await rows.parts(session, message.store_id, message.message_id, first, _FEW)
            for part in few:
                yield part
            if len(few) < _FEW:
                return
            first = few[-1].part + 1

    async def _window(self, window: Sequence[Stored]) -> dict[tuple[int, int], list[Part]]:
        found: dict[tuple[int, int], list[Part]] = {}
        async with self._database.session() as session:
            for store_id in {message.store_id for message in window}:
                wanted = {message.message_id for message in window if message.store_id == store_id}
                for part in await rows.parts_of(session, store_id, sorted(wanted)):
                    found.setdefault((store_id, part.message_id), []).append(part)
        return found


async def _rows(contents: Iterable[NewContent]) -> AsyncIterator[NewPart]:
    for content in contents:
        number = 0
        async for part in content.parts:
            yield content.message_id, number, part.codec, part.data
            number += 1


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


async def _each(parts: Sequence[Part]) -> AsyncIterator[Part]:
    for part in parts:
        yield part


async def _in_order(parts: AsyncIterable[Part]) -> AsyncIterator[EncodedPart]:
    expected = 0
    async for part in parts:
        if part.part != expected:
            raise Damaged(f"part {expected} of the content is missing")
        expected += 1
        yield EncodedPart(part.codec, part.data)
