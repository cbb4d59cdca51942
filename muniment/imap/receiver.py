"""The receive path: assembles bytes from the socket into complete responses, without I/O.

Linear in the bytes received however they are fragmented, without recursion, and bounded: one
response never holds more than `MAX_RESPONSE_BYTES` plus one message of `spool_bytes`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from muniment.errors import ProtocolViolation
from muniment.imap.tokens import Part
from muniment.mailserver.limits import Limits
from muniment.mailserver.server_text import shown
from muniment.mailserver.spool import DiscardSink, MemorySink, Sink, SpoolSink
from muniment.model.message import MemoryMessage

#: Limit for the text and small literals of one response; enough for two million UIDs in a SEARCH line.
MAX_RESPONSE_BYTES = 16 * 1024 * 1024

_CRLF = b"\r\n"
_PART_BYTES = 64  # overhead of a part beyond its bytes
_BODY = b"BODY[] "
_STATUS = re.compile(rb"\* ++(?:OK|NO|BAD|BYE|PREAUTH) ", re.IGNORECASE)
_PREFIX_BYTES = 10  # enough to recognise a status response: "* PREAUTH " is the longest
_MAX_SIZE_DIGITS = 19
_MAX_LITERAL_BYTES = 2**40  # no real message is larger, and reading it just to discard it could take years
_FETCH = re.compile(rb"\* \d{1,10} FETCH ", re.IGNORECASE)


class Receiver:
    """Splits the byte stream into responses and passes each, as a list of parts, to `deliver`.

    Literals are read by length. A message body becomes a MemoryMessage, a SpooledMessage or
    Discarded, depending on its size; every other literal is bytes.
    """

    def __init__(self, limits: Limits, deliver: Callable[[list[Part]], None]) -> None:
        self._limits = limits
        self._deliver = deliver
        self._parts: list[Part] = []
        self._held: list[bytes] = []  # pieces of an incomplete line
        self._size = 0  # bytes of this response that count against the limit
        self._has_body = False
        self._strays = 0  # number of parts when the last stray empty line was skipped
        self._sink: Sink | None = None
        self._missing = 0  # bytes still missing from the literal in `_sink`
        self._stopped = False
        self._start = b""  # the first bytes of the line in `_held`, enough to recognise a status response
        #: Bytes received of incomplete messages and lists; status responses do not count.
        self.trickled = 0

    def feed(self, data: bytes) -> None:
        """Process bytes from the connection; raise ProtocolViolation if they exceed the limits."""
        at = 0
        end = len(data)
        while at < end and not self._stopped:
            at = self._take_line(data, at) if self._sink is None else self._take_literal(data, at)

    def stop(self) -> None:
        """Discard buffered data and ignore everything that follows."""
        self._stopped = True
        if self._sink is not None:
            self._sink.cancel()
            self._sink = None
        release(self._parts)
        self._parts = []
        self._held = []

    def _take_line(self, data: bytes, at: int) -> int:
        if self._held:
            ending = self._end_of_held(data, at)
            if ending is None:
                return len(data)
            line, at = ending
        else:
            eol = data.find(_CRLF, at)
            if eol < 0:
                self._hold(data[at:])
                return len(data)
            line = data[at:eol]
            at = eol + 2
        if not line and self._is_stray():
            return at
        if line[:3] == b"*  " and not self._parts:
            line = b"* " + line[3:].lstrip(b" ")  # DavMail sends extra spaces
        if line[-1:] == b"}":
            announced = self._announced_literal(line)
            if announced is not None:
                text, size, is_body = announced
                return self._open_literal(data, at, text, size, is_body=is_body)
        parts = self._parts
        parts.append(line)
        self._parts = []
        self._size = 0
        self._has_body = False
        self._strays = 0
        self._deliver(parts)
        return at

    def _is_stray(self) -> bool:
        """Return whether an empty line is a stray line after a FETCH literal; one is skipped after each literal.

        A FETCH ends with a parenthesis, so an empty line cannot be its end. For other responses it can.
        """
        start = self._parts[0] if self._parts else b""
        if len(self._parts) == self._strays or not isinstance(start, bytes) or not _FETCH.match(start):
            return False
        self._strays = len(self._parts)
        return True

    def _end_of_held(self, data: bytes, at: int) -> tuple[bytes, int] | None:
        """Return the line that `data` completes and the offset of the next; None if the line is still incomplete."""
        if self._held[-1].endswith(b"\r") and data[at] == 0x0A:
            line = b"".join(self._held)[:-1]
            at += 1
        else:
            eol = data.find(_CRLF, at)
            if eol < 0:
                self._hold(data[at:])
                return None
            self._held.append(data[at:eol])
            line = b"".join(self._held)
            at = eol + 2
        self._size -= sum(map(len, self._held)) + _PART_BYTES * len(self._held)
        self._held = []
        self._start = b""
        return line, at

    def _hold(self, piece: bytes) -> None:
        self._count(len(piece))
        self._held.append(piece)
        if len(self._start) < _PREFIX_BYTES:
            self._start = (self._start + piece[:_PREFIX_BYTES])[:_PREFIX_BYTES]
        if self._parts or _is_data(self._start):
            self.trickled += len(piece)

    def _count(self, size: int) -> None:
        self._size += size + _PART_BYTES
        if self._size > MAX_RESPONSE_BYTES:
            raise ProtocolViolation(f"a response of the server is longer than {MAX_RESPONSE_BYTES} bytes")

    def _announced_literal(self, line: bytes) -> tuple[bytes, int, bool] | None:
        """Return (preceding text, size, whether it is a message body) if `line` announces a literal."""
        start = self._parts[0] if self._parts else line
        if not isinstance(start, bytes) or not start.startswith(b"* ") or _is_status(start):
            return None  # the text of a status response may end like a literal
        brace = line.rfind(b"{")
        digits = line[brace + 1 : -1].removesuffix(b"+")
        if brace < 0 or not digits.isdigit():
            return None
        if len(digits) > _MAX_SIZE_DIGITS or int(digits) > _MAX_LITERAL_BYTES:
            raise ProtocolViolation(f"the server announced a literal of {shown(digits)} bytes")
        text = line[:brace].removesuffix(b"~")  # literal8, RFC 3516
        return text, int(digits), text[-len(_BODY) :].upper() == _BODY and not self._has_body

    def _open_literal(self, data: bytes, at: int, text: bytes, size: int, *, is_body: bool) -> int:
        self._parts.append(text)
        if is_body:
            self._has_body = True
            self._count(len(text))
        else:
            self._count(len(text) + size)
        if is_body and size > self._limits.max_message_bytes:
            self._sink = DiscardSink()
        elif is_body and size > self._limits.spool_bytes:
            self._sink = SpoolSink(self._limits.spool)
        else:
            end = at + size
            if end <= len(data):  # the usual case: this read contains the whole message
                literal = data[at:end]
                self._parts.append(MemoryMessage(literal) if is_body else literal)
                return end
            self._sink = MemorySink(is_body=is_body)
        self._missing = size
        return self._take_literal(data, at)

    def _take_literal(self, data: bytes, at: int) -> int:
        assert self._sink is not None
        end = min(at + self._missing, len(data))
        self._sink.write(memoryview(data)[at:end])
        self._missing -= end - at
        self.trickled += end - at
        if not self._missing:
            self._parts.append(self._sink.finish())
            self._sink = None
        return end


def _is_data(start: bytes) -> bool:
    """Return whether an untagged response with this start is data; False while there are too few bytes to tell."""
    return len(start) == _PREFIX_BYTES and start[:2] == b"* " and not _is_status(start)


def _is_status(start: bytes) -> bool:
    return _STATUS.match(start) is not None


def release(parts: list[Part]) -> None:
    """Close the message bodies among the parts of a response."""
    for part in parts:
        if not isinstance(part, bytes):
            part.close()
