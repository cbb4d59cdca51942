"""Where a message of unknown size goes while it comes: memory, then a spool file, then nowhere."""

from __future__ import annotations

from muniment.errors import ProtocolViolation
from muniment.mailserver.limits import Limits
from muniment.mailserver.spool import Discarded, DiscardSink, MemorySink, SpooledMessage, SpoolSink
from muniment.model.message import MemoryMessage

#: A message of so many times the size that is allowed is not read to its end.
_ENDLESS = 4


class BodySink:
    """Takes the bytes of one message; servers may lie about its size, so it moves on as it grows."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._memory = bytearray()
        self._spool: SpoolSink | None = None
        self._discard: DiscardSink | None = None
        self.size = 0

    def write(self, data: memoryview) -> None:
        """Take some bytes; Transient when the disk does not, or when they do not end."""
        self.size += len(data)
        if self._discard is not None:
            if self.size > _ENDLESS * self._limits.max_message_bytes:
                raise ProtocolViolation("the server sends a message that has no end")
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
        """Return the message; nothing is written after this."""
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
        """Drop what was written."""
        self._memory = bytearray()
        if self._spool is not None:
            self._spool.cancel()
            self._spool = None


class HeadSink:
    """Keeps the header of a message, and counts the rest."""

    _MOST_BYTES = 1024 * 1024

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: memoryview) -> None:
        """Take some bytes."""
        if len(self._data) < self._MOST_BYTES:
            self._data += data

    def head(self) -> bytes:
        """Return the bytes before the first blank line."""
        return bytes(self._data.partition(b"\r\n\r\n")[0])
