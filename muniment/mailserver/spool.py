"""Where the bytes of a message wait: in memory, in a spool file, or nowhere."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol, TypeAlias

from muniment.errors import Transient
from muniment.model.message import MemoryMessage


class SpooledMessage:
    """A message in a nameless file; implements `model.message.RawMessage`.

    The file has no directory entry: it goes with its descriptor, also when the process is killed.
    Reads are positioned, so several threads may read at once.
    """

    __slots__ = ("_file", "size")

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self.size = size

    def head(self, size: int) -> bytes:
        """Return the first `size` bytes."""
        return b"".join(self._pieces(min(size, self.size), 1 << 20))

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the bytes in pieces of `size`."""
        return self._pieces(self.size, size)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def _pieces(self, end: int, size: int) -> Iterator[bytes]:
        at = 0
        while at < end:
            piece = os.pread(self._file.fileno(), min(size, end - at), at)
            if not piece:
                raise Transient("a spooled message is shorter than what was written to it")
            at += len(piece)
            yield piece


class Discarded:
    """The place of a message that is larger than allowed: its bytes were read and dropped."""

    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size

    def close(self) -> None:
        """Nothing is kept."""


Body: TypeAlias = MemoryMessage | SpooledMessage | Discarded


class Sink(Protocol):
    """Takes the bytes of one literal as they come."""

    def write(self, data: memoryview) -> None:
        """Take some bytes."""
        ...

    def finish(self) -> bytes | Body:
        """Return the literal; nothing is written after this."""
        ...

    def cancel(self) -> None:
        """Drop what was written."""
        ...


class MemorySink:
    """Gathers a literal in memory, as bytes or as the body of a message."""

    def __init__(self, *, is_body: bool) -> None:
        self._data = bytearray()
        self._is_body = is_body

    def write(self, data: memoryview) -> None:
        """Take some bytes."""
        self._data += data

    def finish(self) -> bytes | Body:
        """Return the literal."""
        data = bytes(self._data)
        return MemoryMessage(data) if self._is_body else data

    def cancel(self) -> None:
        """Drop what was written."""
        self._data = bytearray()


class DiscardSink:
    """Counts a literal and keeps nothing."""

    def __init__(self) -> None:
        self._size = 0

    def write(self, data: memoryview) -> None:
        """Count some bytes."""
        self._size += len(data)

    def finish(self) -> bytes | Body:
        """Return what was too large."""
        return Discarded(self._size)

    def cancel(self) -> None:
        """Nothing is kept."""


class SpoolSink:
    """Writes a literal into a nameless file of the spool folder; Transient when the disk does not take it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._size = 0
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - outlives this call
        except OSError as error:
            raise self._full(error) from error

    def write(self, data: memoryview) -> None:
        """Append some bytes."""
        try:
            self._file.write(data)
        except OSError as error:
            raise self._full(error) from error
        self._size += len(data)

    def finish(self) -> bytes | Body:
        """Return the message in its file."""
        try:
            self._file.flush()
        except OSError as error:
            raise self._full(error) from error
        return SpooledMessage(self._file, self._size)

    def cancel(self) -> None:
        """Remove the file."""
        try:
            self._file.close()
        except OSError:
            self._file.close()  # the second call skips the flush that a full disk refused

    def _full(self, error: OSError) -> Transient:
        return Transient(
            f"cannot write a large message into {self._folder}: {error.strerror}",
            hint="Free space on that disk, or move the data folder (MUNIMENT_DATA).",
        )
