"""A proxy between Muniment and its mail server that breaks connections in the ways networks do."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

_CHUNK = 16 * 1024
#: SO_LINGER with a timeout of zero: closing sends RST, and data in flight is lost.
_RESET = struct.pack("ii", 1, 0)
#: A TLS record of type 22 with an invalid body.
_NO_HANDSHAKE = b"\x16\x03\x03\x00\x20" + b"\x2a" * 32
#: The first digit of an announced size: another one keeps the length of the answer.
_SIZE = re.compile(rb"(?<=RFC822\.SIZE )\d")


@dataclass
class Weather:
    """The current condition of the line, for existing and new connections; with all defaults, the line is good.

    `latency`: seconds for each chunk. `bytes_per_second`: from the server. `drip`: single bytes, slowly. `reset_after`,
    `silent_after`: after so many more bytes of the server's answers, the connection is reset, or stays open without
    delivering anything. `false_sizes`: in plaintext, the server announces other sizes than it delivers.
    """

    refuses: bool = False
    garbles: bool = False
    latency: float = 0.0
    bytes_per_second: float | None = None
    drip: bool = False
    reset_after: Callable[[], int] | None = None
    silent_after: Callable[[], int] | None = None
    false_sizes: bool = False


class BreakingProxy:
    """Listens on `port` and forwards to another port of 127.0.0.1, subject to the `weather`."""

    def __init__(self, upstream: int) -> None:
        self.weather = Weather()
        self.port = 0
        #: Number of connections broken on purpose.
        self.broken = 0
        self._upstream = upstream
        self._lines: set[_Line] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*(line.ended.wait() for line in list(self._lines)))

    def cut(self) -> None:
        """Reset every open connection."""
        self.broken += len(self._lines)
        for line in list(self._lines):
            line.reset()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = _Line(self, writer)
        self._lines.add(line)
        try:
            await line.serve(reader, self._upstream)
        finally:
            self._lines.discard(line)
            line.ended.set()


class _Line:
    """A client's connection and its counterpart upstream."""

    def __init__(self, proxy: BreakingProxy, client: asyncio.StreamWriter) -> None:
        self.ended = asyncio.Event()
        self._proxy = proxy
        self._client = client
        self._server: asyncio.StreamWriter | None = None
        self._pumps: list[asyncio.Task[None]] = []
        # Drawn when the weather changes, decremented by the server's answers.
        self._weather: Weather | None = None
        self._resets_in: int | None = None
        self._falls_silent_in: int | None = None

    async def serve(self, client: asyncio.StreamReader, port: int) -> None:
        if self._proxy.weather.refuses:
            return self._broken()
        if self._proxy.weather.garbles:
            await client.read(_CHUNK)
            self._client.write(_NO_HANDSHAKE)
            return self._broken(reset=False)
        try:
            server, self._server = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return self.reset()  # the mail server is down
        self._pumps = [
            asyncio.create_task(self._pump(client, self._server, from_server=False)),
            asyncio.create_task(self._pump(server, self._client, from_server=True)),
        ]
        await asyncio.wait(self._pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in self._pumps:
            pump.cancel()
        await asyncio.wait(self._pumps)
        self._close()
        return None

    def reset(self) -> None:
        for writer in (self._client, self._server):
            if writer is not None and not writer.transport.is_closing():
                tcp: socket.socket = writer.get_extra_info("socket")
                with suppress(OSError):
                    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                writer.transport.abort()
        for pump in self._pumps:
            pump.cancel()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_server: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                weather = self._proxy.weather
                if weather.latency:
                    await asyncio.sleep(weather.latency)
                if from_server and weather.false_sizes:
                    data = _SIZE.sub(lambda digit: b"1" if digit[0] != b"1" else b"2", data)
                if from_server and not await self._let_through(weather, data, writer):
                    return
                if not from_server:
                    writer.write(data)
                await writer.drain()

    async def _let_through(self, weather: Weather, data: bytes, writer: asyncio.StreamWriter) -> bool:
        """Forward the server's data as the weather allows; return False if the connection is over."""
        if weather is not self._weather:
            self._weather = weather
            self._resets_in = weather.reset_after and weather.reset_after()
            self._falls_silent_in = weather.silent_after and weather.silent_after()
        if self._resets_in is not None:
            if len(data) >= self._resets_in:
                writer.write(data[: self._resets_in])
                await writer.drain()
                self._broken()
                return False
            self._resets_in -= len(data)
        if self._falls_silent_in is not None:
            self._falls_silent_in -= len(data)
            if self._falls_silent_in <= 0:
                self._proxy.broken += 1
                await asyncio.Event().wait()  # until either side hangs up
        if weather.drip:
            for byte in data:
                if self._proxy.weather is not weather:
                    break
                writer.write(bytes([byte]))
                data = data[1:]
                await asyncio.sleep(0.002)
        if weather.bytes_per_second:
            await asyncio.sleep(len(data) / weather.bytes_per_second)
        writer.write(data)
        return True

    def _broken(self, *, reset: bool = True) -> None:
        self._proxy.broken += 1
        if reset:
            self.reset()
        else:
            self._close()

    def _close(self) -> None:
        for writer in (self._client, self._server):
            if writer is not None:
                writer.close()
