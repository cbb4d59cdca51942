"""Contents in memory, for tests of services."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence

from muniment.contents.codec import EncodedPart
from muniment.contents.port import NewContent, S
from muniment.db.database import Session


class MemoryContents:
    """Keeps the parts of each message (store, id), also of transactions that were rolled back: nobody names them."""

    def __init__(self) -> None:
        self.parts: dict[tuple[int, int], list[EncodedPart]] = {}

    async def add(self, session: Session, store_id: int, contents: Iterable[NewContent]) -> None:  # noqa: ARG002 - it has no transaction to take part in
        """Keep the parts."""
        for content in contents:
            self.parts[store_id, content.message_id] = [part async for part in content.parts]

    async def read(self, stored: AsyncIterable[S]) -> AsyncIterator[tuple[S, AsyncIterator[EncodedPart]]]:
        """Yield each message with its parts."""
        async for message in stored:
            yield message, _each(self.parts.get((message.store_id, message.message_id), []))


async def _each(parts: Sequence[EncodedPart]) -> AsyncIterator[EncodedPart]:
    for part in parts:
        yield part
