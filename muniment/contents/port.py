"""What services need of the place where the bytes of messages are stored."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from muniment.contents.codec import EncodedPart
from muniment.db.database import Session


class Stored(Protocol):
    """Whatever names a stored message and the size of its content in bytes."""

    @property
    def store_id(self) -> int:
        """The archive store that has it."""
        ...

    @property
    def message_id(self) -> int:
        """Its number there."""
        ...

    @property
    def size(self) -> int:
        """The length of the original in bytes."""
        ...


S = TypeVar("S", bound=Stored)


@dataclass(frozen=True)
class NewContent:
    """The content of a new message; `parts` are encoded while they are iterated, and can be iterated once."""

    message_id: int
    parts: AsyncIterable[EncodedPart]


class ContentStore(Protocol):
    """Stores contents with the transaction that stores their messages, and gives back exactly the same bytes."""

    async def add(self, session: Session, store_id: int, contents: Iterable[NewContent]) -> None:
        """Store the contents of messages that the transaction of `session` adds.

        When that transaction is committed they are durable. When it is rolled back no message has them: a store outside
        of the database may keep such bytes until it cleans up.
        """
        ...

    def read(self, stored: AsyncIterable[S]) -> AsyncIterator[tuple[S, AsyncIterator[EncodedPart]]]:
        """Yield each message, in the order given, with its parts.

        The parts of a large message are read while they are iterated, and only until the next message is asked for.
        Damaged, while they are iterated, when one is missing; `codec.checked_stream` proves the rest. Works over its
        own connections, and holds none while the caller has the turn.
        """
        ...
