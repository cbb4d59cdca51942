"""Holds the bytes of a message until it is archived: in memory or in a spool file, or discards them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol, TypeAlias

from muniment.errors import Transient
from muniment.model.message import MemoryMessage


class SpooledMessage:
    """A message in an unnamed temporary file; implements `model.message.RawMessage`.

    The file has no directory entry: it disappears with its descriptor, even if the process is killed.
    Reads use explicit offsets, so several threads can read concurrently.
    """

    __slots__ = ("_file", "size")

    def __init__(self, file: IO[bytes], size: int) -> None:
        self._file = file
        self.size = size

    def head(self, size: int) -> bytes:
        """Return the first `size` bytes."""
        return b"".join(self._pieces(min(size, self.size), 1 << 20))

    def chunks(self, size: int) -> Iterator[bytes]:
        """Yield the message in chunks of `size` bytes."""
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
    """Stands for a message above the size limit, whose bytes were read and discarded."""

    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size

    def close(self) -> None:
        """Do nothing."""


Body: TypeAlias = MemoryMessage | SpooledMessage | Discarded


class Sink(Protocol):
    """Receives the bytes of one literal as they arrive."""

    def write(self, data: memoryview) -> None:
        """Append some bytes."""
        ...

    def finish(self) -> bytes | Body:
        """Return the literal. Write nothing afterwards."""
        ...

    def cancel(self) -> None:
        """Discard what was written."""
        ...


class MemorySink:
    """Collects a literal in memory, as bytes or as a message body."""

    def __init__(self, *, is_body: bool) -> None:
        self._data = bytearray()
        self._is_body = is_body

    def write(self, data: memoryview) -> None:
        """Append some bytes."""
        self._data += data

    def finish(self) -> bytes | Body:
        """Return the literal."""
        data = bytes(self._data)
        return MemoryMessage(data) if self._is_body else data

    def cancel(self) -> None:
        """Discard what was written."""
        self._data = bytearray()


class DiscardSink:
    """Counts the bytes of a literal and discards them."""

    def __init__(self) -> None:
        self._size = 0

    def write(self, data: memoryview) -> None:
        """Count some bytes."""
        self._size += len(data)

    def finish(self) -> bytes | Body:
        """Return a placeholder with the size."""
        return Discarded(self._size)

    def cancel(self) -> None:
        """Do nothing."""


class SpoolSink:
    """Writes a literal to an unnamed file in the spool folder; raises Transient if the disk refuses it."""

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
        """Return the spooled message."""
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
            f"cannot write a large message to {self._folder}: {error.strerror}",
            hint="Free space on that disk, or move the data folder (MUNIMENT_DATA).",
        )
