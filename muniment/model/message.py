"""Messages: raw bytes from the server, and the headers that users search."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


class RawMessage(Protocol):
    """The bytes of one message, in memory or in a spool file; can be read repeatedly."""

    @property
    def size(self) -> int:
        """Length in bytes."""
        ...

    def head(self, size: int) -> bytes:
        """Return the first `size` bytes (fewer if the message is shorter)."""
        ...

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the bytes from the start in pieces of `size`; the last piece may be shorter."""
        ...

    def close(self) -> None:
        """Release the memory or the spool file; idempotent."""
        ...


class MemoryMessage:
    """A `RawMessage` in memory."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def size(self) -> int:
        """Length in bytes."""
        return len(self._data)

    def head(self, size: int) -> bytes:
        """Return the first `size` bytes."""
        return self._data[:size]

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the bytes in pieces of `size`; a message that fits in one piece is not copied."""
        return (self._data[start : start + size] for start in range(0, len(self._data), size))

    def close(self) -> None:
        """Release the bytes."""
        self._data = b""


class MessageSlice:
    """A `RawMessage` that consists of `size` bytes of another one, from `start`; closing it closes the other."""

    __slots__ = ("_start", "_whole", "size")

    def __init__(self, whole: RawMessage, start: int, size: int) -> None:
        self._whole = whole
        self._start = start
        self.size = size

    def head(self, size: int) -> bytes:
        """Return the first `size` bytes."""
        return self._whole.head(self._start + min(size, self.size))[self._start :]

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the bytes in pieces of `size`."""
        skip, left, kept = self._start, self.size, b""
        for chunk in self._whole.chunks(size):
            piece = chunk[skip:][:left] if skip < len(chunk) else b""
            skip = max(0, skip - len(chunk))
            left -= len(piece)
            kept += piece
            if len(kept) >= size:
                yield kept[:size]
                kept = kept[size:]
            if not left:
                break
        if kept:
            yield kept

    def close(self) -> None:
        """Release the whole message."""
        self._whole.close()


@dataclass(frozen=True)
class FetchedMessage:
    """A message as delivered by FETCH.

    `raw` is None if the server listed the UID but delivered no usable bytes; `reason` then says why. `announced`: the
    size that the server announced (RFC822.SIZE, LIST); None if it did not.
    """

    uid: int
    flags: tuple[str, ...]
    internal_date: datetime | None
    raw: RawMessage | None
    reason: str = ""
    announced: int | None = None

    @property
    def is_size_odd(self) -> bool:
        """Whether the server delivered another number of bytes than it announced."""
        return self.raw is not None and self.announced is not None and self.announced != self.raw.size


@dataclass(frozen=True)
class Headers:
    """Decoded header fields of a message (RFC 2047), for display and search; they never identify a message.

    `raw` keeps the original text of fields that could not be decoded, by lower-case field name.
    """

    message_id: str = ""
    subject: str = ""
    sender: str = ""
    recipients: str = ""
    date: datetime | None = None
    raw: dict[str, str] = field(default_factory=dict)
