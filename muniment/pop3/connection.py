"""One POP3 connection: commands, responses, and message bodies as bytes, without decoding or copying them.

The standard library's poplib blocks, refuses long lines, and strips line endings; there is no maintained asyncio
library.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine
from typing import Any, Protocol

from muniment import metrics
from muniment.errors import (
    CommandRefused,
    LoginRefused,
    MunimentError,
    ProtocolViolation,
    ServerThrottled,
    ServerUnavailable,
)
from muniment.mailserver.gate import ConnectionSlot
from muniment.mailserver.patience import Patience
from muniment.mailserver.redaction import NOTHING_SECRET
from muniment.mailserver.server_text import shown
from muniment.mailserver.translate import translating

_LINE_COST = 64  # overhead of a line beyond its bytes
_CHUNK_BYTES = 256 * 1024
_MAX_LIST_BYTES = 256 * 1024 * 1024
_DOT_LINE = b"\r\n."
#: Response codes that explain an error (RFC 2449 §8, RFC 3206).
_CODE = re.compile(rb"-ERR \[([A-Za-z-]+(?:/[A-Za-z]+)?)\]", re.IGNORECASE)
_THROTTLED = {"IN-USE", "LOGIN-DELAY"}
_TEMPORARY = {"SYS/TEMP"}
_THROTTLED_TEXT = re.compile(r"too many|maximum number|connection limit|lock|in use|try again|temporar", re.IGNORECASE)


class Sink(Protocol):
    """Receives the bytes of a message as they arrive."""

    def write(self, data: memoryview) -> None:
        """Append some bytes."""
        ...


def refusal(line: bytes, doing: str, peer: str, slot: ConnectionSlot, *, is_login: bool = False) -> MunimentError:
    """Return the error for a response other than +OK, without secrets; report throttling to the slot."""
    text = shown(line, 400)
    if not line.startswith(b"-ERR"):
        return ProtocolViolation(f"{peer}: not a POP3 response to {doing}: {text!r}")
    match = _CODE.match(line)
    code = match[1].decode().upper() if match else ""
    if code in _THROTTLED or (not code and _THROTTLED_TEXT.search(text)):
        slot.report_throttling(f"{peer} said {text}", too_many=code != "LOGIN-DELAY", seconds=0)
        return ServerThrottled(f"{peer} throttles {doing}: {text}")
    if code in _TEMPORARY:
        return ServerUnavailable(f"{peer} cannot answer {doing} now: {text}")
    kind = LoginRefused if is_login else CommandRefused
    return kind(f"{peer} refused {doing}: {text}")


class Pop3Connection:
    """A connection to a server; make one call at a time. Every call raises only errors of `muniment.errors`."""

    def __init__(
        self,
        peer: str,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        timeout_seconds: float,
        slot: ConnectionSlot,
    ) -> None:
        self.peer = peer
        self.slot = slot
        self.commands = 0
        self.redactor = NOTHING_SECRET
        self.is_closed = False
        self._reader, self._writer = streams
        self._timeout_seconds = timeout_seconds
        self._clock = asyncio.get_running_loop().time
        self._patience = Patience(timeout_seconds, self._clock())
        metrics.CONNECTIONS.inc()

    async def greeting(self) -> None:
        """Wait for the server's greeting."""
        line = await self._line("waiting for its greeting")
        if not line.startswith(b"+OK"):
            raise self.error(line, "its greeting", is_login=True)

    async def run(self, command: str, secret: bytes = b"") -> bytes:
        """Send one command and return the status line; no error shows the `secret` part."""
        await self.slot.spend(commands=1)
        self.commands += 1
        self._patience.progress(self._clock())
        with self._closing_on_error(), translating(self.peer, f"answering {command.split(maxsplit=1)[0]}"):
            self._writer.write(command.encode() + secret + b"\r\n")
            await asyncio.wait_for(self._writer.drain(), self._timeout_seconds)
        return await self._line(f"answering {command.split(maxsplit=1)[0]}")

    async def lines(self) -> list[bytes]:
        """Return the lines of a short multi-line response."""
        lines: list[bytes] = []
        size = 0
        while (line := await self._line("sending a list")) != b".":
            lines.append(line.removeprefix(b"."))
            size += len(line) + _LINE_COST
            if size > _MAX_LIST_BYTES:
                self.close(clean=False)
                raise ProtocolViolation(f"{self.peer} sends an endless list")
        return lines

    async def body(self, sink: Sink) -> None:
        """Read a message to its end and undo the dot-stuffing (RFC 1939 §3)."""
        buffer = bytearray(b"\r\n")  # so that a dot at the very start also follows a line break
        fresh = 2  # offset of the message in the buffer
        with self._closing_on_error(), translating(self.peer, "sending a message"):
            while True:
                at = buffer.find(_DOT_LINE)
                if at >= 0 and len(buffer) >= at + 5:
                    end = at + 2
                    sink.write(memoryview(bytes(buffer[fresh:end])))
                    if buffer[at + 3 : at + 5] == b"\r\n":
                        self._check_empty(bytes(buffer[at + 5 :]))
                        return
                    # The dot may be followed by another line break and dot.
                    del buffer[: at + 3]
                    fresh = 0
                    continue
                if at < 0 and len(buffer) > _CHUNK_BYTES:
                    sink.write(memoryview(bytes(buffer[fresh:-4])))
                    del buffer[:-4]
                    fresh = 0
                data = await self._within_deadline(self._reader.read(_CHUNK_BYTES))
                if not data:
                    raise EOFError
                self._patience.trickle(self._clock(), len(data))
                buffer += data

    def _check_empty(self, data: bytes) -> None:
        if data:
            raise ProtocolViolation(f"{self.peer} sent data after the end of the message")

    def close(self, *, clean: bool) -> None:
        """Drop the connection and release its slot; idempotent."""
        if not self.is_closed:
            metrics.CONNECTIONS.dec()
        self.is_closed = True
        self._writer.transport.abort()
        self.slot.release(clean=clean)

    def error(self, line: bytes, doing: str, *, is_login: bool = False) -> MunimentError:
        """Return the error for a response other than +OK; report throttling to the slot."""
        return refusal(self.redactor.hide(line), doing, self.peer, self.slot, is_login=is_login)

    def shown(self, line: bytes) -> str:
        """Return a line for display, with secrets redacted."""
        return shown(self.redactor.hide(line), 400)

    async def _line(self, doing: str) -> bytes:
        with self._closing_on_error(), translating(self.peer, doing):
            line = await self._within_deadline(self._reader.readuntil(b"\n"))
        self._patience.progress(self._clock())
        return line.rstrip(b"\r\n")

    async def _within_deadline(self, reading: Coroutine[Any, Any, bytes]) -> bytes:
        """Return what was read; raise ServerUnavailable if `Patience` ends first."""
        try:
            return await asyncio.wait_for(reading, self._patience.deadline - self._clock())
        except TimeoutError as error:
            now = self._clock()
            reason = self._patience.timeout_reason(now) or f"did not respond for {self._timeout_seconds:g} s"
            raise ServerUnavailable(f"{self.peer} {reason}") from error

    def _closing_on_error(self) -> _ClosingOnError:
        return _ClosingOnError(self)


class _ClosingOnError:
    """Closes the connection after an error: the position in the response stream is unknown then."""

    def __init__(self, connection: Pop3Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        if self._connection.is_closed:
            raise ServerUnavailable(f"the connection to {self._connection.peer} is closed")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._connection.close(clean=False)
