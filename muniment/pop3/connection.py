"""One POP3 connection: commands, answers, and message bodies as bytes; nothing is decoded, nothing is kept twice.

The standard library's poplib blocks, refuses long lines, and gives lines without their line ends; no library for asyncio
is maintained.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Coroutine
from typing import Any, Protocol

from muniment import metrics
from muniment.errors import (
    CommandRefused,
    LoginRefused,
    LoginUnsupported,
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

_LINE_COST = 64  # what a line costs beside its bytes
_CHUNK_BYTES = 256 * 1024
_MAX_LIST_BYTES = 256 * 1024 * 1024
_DOT_LINE = b"\r\n."
#: RFC 2449 §8, RFC 3206: codes of answers that say more than no.
_CODE = re.compile(rb"-ERR \[([A-Za-z-]+(?:/[A-Za-z]+)?)\]", re.IGNORECASE)
_THROTTLED = {"IN-USE", "LOGIN-DELAY"}
_TEMPORARY = {"SYS/TEMP"}
_THROTTLED_TEXT = re.compile(r"too many|maximum number|connection limit|lock|in use|try again|temporar", re.IGNORECASE)


class Sink(Protocol):
    """Takes the bytes of a message as they come."""

    def write(self, data: memoryview) -> None:
        """Take some bytes."""
        ...


class Pop3Connection:
    """A connection that has been greeted; one call at a time. Every call raises only errors of `muniment.errors`."""

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
        self.is_cut = False
        self._reader, self._writer = streams
        self._timeout_seconds = timeout_seconds
        self._clock = asyncio.get_running_loop().time
        self._patience = Patience(timeout_seconds, self._clock())
        metrics.CONNECTIONS.inc()

    async def greeting(self) -> None:
        """Wait for the server's first line."""
        line = await self._line("waiting for its greeting")
        if not line.startswith(b"+OK"):
            raise self.error(line, "its greeting", is_login=True)

    async def run(self, command: str, secret: bytes = b"") -> bytes:
        """Send one command and return its status line; what is `secret` of it is in no error."""
        await self.slot.spend(commands=1)
        self.commands += 1
        self._patience.progress(self._clock())
        with self._cutting(), translating(self.peer, f"answering {command.split(maxsplit=1)[0]}"):
            self._writer.write(command.encode() + secret + b"\r\n")
            await asyncio.wait_for(self._writer.drain(), self._timeout_seconds)
        return await self._line(f"answering {command.split(maxsplit=1)[0]}")

    async def lines(self) -> list[bytes]:
        """Return the lines of a short answer with several."""
        found: list[bytes] = []
        size = 0
        while (line := await self._line("sending a list")) != b".":
            found.append(line.removeprefix(b"."))
            size += len(line) + _LINE_COST
            if size > _MAX_LIST_BYTES:
                self.close(clean=False)
                raise ProtocolViolation(f"{self.peer} sends a list that has no end")
        return found

    async def body(self, sink: Sink) -> None:
        """Read a message to its end, as it was before the dots were added (RFC 1939 §3)."""
        buffer = bytearray(b"\r\n")  # so that a dot in the first line is one behind a line break, too
        fresh = 2  # of these the first are no part of the message
        with self._cutting(), translating(self.peer, "sending a message"):
            while True:
                at = buffer.find(_DOT_LINE)
                if at >= 0 and len(buffer) >= at + 5:
                    end = at + 2
                    sink.write(memoryview(bytes(buffer[fresh:end])))
                    if buffer[at + 3 : at + 5] == b"\r\n":
                        self._put_back(bytes(buffer[at + 5 :]))
                        return
                    # What follows the dot may itself be a line break with a dot behind it.
                    del buffer[: at + 3]
                    fresh = 0
                    continue
                if at < 0 and len(buffer) > _CHUNK_BYTES:
                    sink.write(memoryview(bytes(buffer[fresh:-4])))
                    del buffer[:-4]
                    fresh = 0
                data = await self._before_patience_ends(self._reader.read(_CHUNK_BYTES))
                if not data:
                    raise EOFError
                self._patience.trickle(self._clock(), len(data))
                buffer += data

    def _put_back(self, data: bytes) -> None:
        if data:
            raise ProtocolViolation(f"{self.peer} sent more than it was asked for")

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """STLS and the handshake (RFC 2595 §4); LoginUnsupported when the server does not offer it."""
        line = await self.run("STLS")
        if not line.startswith(b"+OK"):
            raise LoginUnsupported(
                f"{self.peer} does not offer STLS: {self.shown(line)}", hint="Use --access pop3-ssl, or pop3."
            )
        with self._cutting(), translating(self.peer, "starting TLS"):
            await asyncio.wait_for(self._writer.start_tls(context, server_hostname=host), self._timeout_seconds)

    def close(self, *, clean: bool) -> None:
        """Drop the connection and give its slot back; harmless when repeated."""
        if not self.is_cut:
            metrics.CONNECTIONS.dec()
        self.is_cut = True
        self._writer.transport.abort()
        self.slot.release(clean=clean)

    def error(self, line: bytes, doing: str, *, is_login: bool = False) -> MunimentError:
        """Return the error for an answer that is not +OK."""
        if not line.startswith(b"-ERR"):
            return ProtocolViolation(f"not an answer of a POP3 server to {doing}: {self.shown(line)!r}")
        match = _CODE.match(line)
        code = match[1].decode().upper() if match else ""
        text = self.shown(line)
        if code in _THROTTLED or (not code and _THROTTLED_TEXT.search(text)):
            self.slot.complained(f"{self.peer} said {text}", too_many=code != "LOGIN-DELAY", seconds=0)
            return ServerThrottled(f"{self.peer} does not go along with {doing} now: {text}")
        if code in _TEMPORARY:
            return ServerUnavailable(f"{self.peer} cannot do {doing} now: {text}")
        kind = LoginRefused if is_login else CommandRefused
        return kind(f"{self.peer} refused {doing}: {text}")

    def shown(self, line: bytes) -> str:
        """Return a line for people, without secrets."""
        return shown(self.redactor.hide(line), 400)

    async def _line(self, doing: str) -> bytes:
        with self._cutting(), translating(self.peer, doing):
            line = await self._before_patience_ends(self._reader.readuntil(b"\n"))
        self._patience.progress(self._clock())
        return line.rstrip(b"\r\n")

    async def _before_patience_ends(self, reading: Coroutine[Any, Any, bytes]) -> bytes:
        """Return what was read; ServerUnavailable when the server is silent for too long, or sends next to nothing."""
        try:
            return await asyncio.wait_for(reading, self._patience.deadline - self._clock())
        except TimeoutError as error:
            complaint = self._patience.complaint(self._clock()) or f"was silent for {self._timeout_seconds:g} s"
            raise ServerUnavailable(f"{self.peer} {complaint}") from error

    def _cutting(self) -> _Cutting:
        return _Cutting(self)


class _Cutting:
    """Ends a connection on which something went wrong: nobody knows what it would say next."""

    def __init__(self, connection: Pop3Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        if self._connection.is_cut:
            raise ServerUnavailable(f"the connection to {self._connection.peer} is closed")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._connection.close(clean=False)
