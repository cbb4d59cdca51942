"""Messages: raw bytes from the server, and the headers that people search by."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


class RawMessage(Protocol):
    """The bytes of one message, in memory or in a spool file; read it as often as needed."""

    @property
    def size(self) -> int:
        """Length in bytes."""
        ...

    def head(self, size: int) -> bytes:
        """Return the first `size` bytes (fewer when the message is shorter)."""
        ...

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the bytes in pieces of `size`, from the start; the last may be shorter."""
        ...

    def close(self) -> None:
        """Free the memory or the spool file; harmless when repeated."""
        ...


class MemoryMessage:
    """A `RawMessage` that is in memory."""

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
        """Forget the bytes."""
        self._data = b""


class MessageSlice:
    """A `RawMessage` that is `size` bytes of another one, from `start` on; closing it closes the other."""

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
        """Free the whole message."""
        self._whole.close()


@dataclass(frozen=True)
class FetchedMessage:
    """A message as FETCH delivered it.

    `raw` is None when the server listed the UID but gave no usable bytes; `reason` then says why.
    """

    uid: int
    flags: tuple[str, ...]
    internal_date: datetime | None
    raw: RawMessage | None
    reason: str = ""


@dataclass(frozen=True)
class Headers:
    """Header fields of a message, decoded for people (RFC 2047); never an identity.

    `raw` keeps, by lower-case field name, the original text of fields whose decoding failed.
    """

    message_id: str = ""
    subject: str = ""
    sender: str = ""
    recipients: str = ""
    date: datetime | None = None
    raw: dict[str, str] = field(default_factory=dict)
