"""Contents of messages, in parts."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass

from muniment.db.database import Session
from muniment.db.sql import load

_SQL = load("contents")
_COLUMNS = ("store_id", "message_id", "part", "codec", "data")


@dataclass(frozen=True)
class Part:
    """A part of a message's content, as it is encoded."""

    message_id: int
    part: int
    codec: int
    data: bytes


#: A part to write: message id, number, codec, data.
NewPart = tuple[int, int, int, bytes]


async def write(session: Session, store_id: int, parts: AsyncIterable[NewPart]) -> None:
    """Append parts, streaming."""

    async def records() -> AsyncIterator[tuple[int, int, int, int, bytes]]:
        async for part in parts:
            yield (store_id, *part)

    await session.copy("contents", _COLUMNS, records())


async def parts(session: Session, store_id: int, message_id: int, first: int, limit: int) -> list[Part]:
    """Return up to `limit` parts of a message, from number `first` on."""
    return await session.rows(Part, _SQL["parts"], store_id, message_id, first, limit)


async def parts_of(session: Session, store_id: int, message_ids: Sequence[int]) -> list[Part]:
    """Return all parts of several messages, in order by message; for small ones."""
    return await session.rows(Part, _SQL["parts_of"], store_id, list(message_ids))
