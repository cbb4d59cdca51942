"""Stores an incoming message of unknown size: in memory, then in a spool file, or discards it."""

from __future__ import annotations

import hashlib

from muniment.errors import ProtocolViolation
from muniment.mailserver.limits import Limits
from muniment.mailserver.spool import Discarded, DiscardSink, MemorySink, SpooledMessage, SpoolSink
from muniment.model.message import MemoryMessage

#: Stop reading a message at this multiple of the allowed size.
_ENDLESS = 4


class BodySink:
    """Receives the bytes of one message. Servers may misreport sizes, so the storage changes as the message grows."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._memory = bytearray()
        self._spool: SpoolSink | None = None
        self._discard: DiscardSink | None = None
        self.size = 0

    def write(self, data: memoryview) -> None:
        """Append some bytes; raise Transient if the disk refuses them, or ProtocolViolation if there is no end."""
        self.size += len(data)
        if self._discard is not None:
            if self.size > _ENDLESS * self._limits.max_message_bytes:
                raise ProtocolViolation("the server sends an endless message")
            return
        if self.size > self._limits.max_message_bytes:
            self.cancel()
            self._discard = DiscardSink()
        elif self._spool is not None:
            self._spool.write(data)
        elif self.size > self._limits.spool_bytes:
            self._spool = SpoolSink(self._limits.spool)
            self._spool.write(memoryview(bytes(self._memory)))
            self._spool.write(data)
            self._memory = bytearray()
        else:
            self._memory += data

    def finish(self) -> MemoryMessage | SpooledMessage | Discarded:
        """Return the message. Write nothing afterwards."""
        if self._discard is not None:
            return Discarded(self.size)
        if self._spool is not None:
            body = self._spool.finish()
            assert isinstance(body, SpooledMessage)
            return body
        sink = MemorySink(is_body=True)
        sink.write(memoryview(bytes(self._memory)))
        body = sink.finish()
        assert isinstance(body, MemoryMessage)
        return body

    def cancel(self) -> None:
        """Discard what was written."""
        self._memory = bytearray()
        if self._spool is not None:
            self._spool.cancel()
            self._spool = None


class HeadSink:
    """Keeps the header of a message and discards the rest."""

    _MOST_BYTES = 1024 * 1024

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: memoryview) -> None:
        """Append some bytes."""
        if len(self._data) < self._MOST_BYTES:
            self._data += data

    def head(self) -> bytes:
        """Return the bytes before the first blank line."""
        return bytes(self._data.partition(b"\r\n\r\n")[0])


class DigestSink:
    """Passes a message on to another sink and hashes it."""

    def __init__(self, sink: BodySink | HeadSink) -> None:
        self._sink = sink
        self._hash = hashlib.sha256()

    def write(self, data: memoryview) -> None:
        """Pass on some bytes."""
        self._hash.update(data)
        self._sink.write(data)

    def digest(self) -> bytes:
        """Return the SHA-256 of the message."""
        return self._hash.digest()
