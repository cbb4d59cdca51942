"""Opens connections, encrypted as `server.access` says: the only place where one changes from plaintext to TLS.

Nothing said before TLS may count after it (RFC 3207 §4.2, RFC 2595 §4, RFC 9051 §6.2.1). An attacker who can write to
the connection appends forged responses to the server's OK; a client that has already read them takes them for responses
under TLS. `StreamWriter.start_tls` of Python 3.11 keeps what its reader holds, and later versions keep other things.
Therefore no stream and no protocol exists before TLS: `Plaintext` reads the few lines byte by byte from the socket, so
that whatever follows stays in the kernel. There it is seen before the handshake, or breaks it.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import TypeAlias, TypeVar

from muniment.errors import PlaintextInjected, ProtocolViolation
from muniment.mailserver.gate import ConnectionSlot
from muniment.mailserver.sockets import open_socket
from muniment.mailserver.tls import check_pin, tls_context
from muniment.mailserver.translate import translating
from muniment.model.profile import Server

P = TypeVar("P", bound=asyncio.BaseProtocol)

#: All lines of a server before TLS together; an ordinary server sends a few hundred bytes.
_MAX_BYTES = 64 * 1024

#: OpenSSL's reasons if what arrives is not TLS.
_NOT_TLS = {
    "WRONG_VERSION_NUMBER",
    "HTTP_REQUEST",
    "HTTPS_PROXY_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "ENCRYPTED_LENGTH_TOO_LONG",
    "UNEXPECTED_MESSAGE",
    "BAD_RECORD_TYPE",
    "RECORD_LAYER_FAILURE",
}


class Plaintext:
    """The connection before TLS. Write with `send`, read with `line` or `read`; nothing is read ahead."""

    def __init__(self, tcp: socket.socket, peer: str, timeout_seconds: float, slot: ConnectionSlot) -> None:
        self.peer = peer
        self.slot = slot
        self.doing = "waiting for the greeting"
        self._tcp = tcp
        self._timeout_seconds = timeout_seconds
        self._loop = asyncio.get_running_loop()
        self._deadline = self._loop.time() + timeout_seconds
        self._left = _MAX_BYTES

    async def send(self, command: bytes, doing: str) -> None:
        """Send a command; `doing` describes the wait for its answer, which may take the server's timeout."""
        await self.slot.spend(commands=1)
        self.doing = doing
        self._deadline = self._loop.time() + self._timeout_seconds
        with translating(self.peer, doing):
            async with asyncio.timeout_at(self._deadline):
                await self._loop.sock_sendall(self._tcp, command)

    async def read(self, count: int) -> bytes:
        """Return exactly this many bytes; raise ServerUnavailable if they do not come in time."""
        with translating(self.peer, self.doing):
            async with asyncio.timeout_at(self._deadline):
                return b"".join([await self._byte() for _ in range(count)])

    async def line(self) -> bytes:
        """Return a line without its end; raise ServerUnavailable if it does not come in time."""
        line = bytearray()
        with translating(self.peer, self.doing):
            async with asyncio.timeout_at(self._deadline):
                while not line.endswith(b"\n"):
                    line += await self._byte()
        return bytes(line).rstrip(b"\r\n")

    async def _byte(self) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise ProtocolViolation(f"{self.peer} sends more than {_MAX_BYTES} bytes before TLS")
        byte = await self._loop.sock_recv(self._tcp, 1)
        if not byte:
            raise EOFError
        return byte

    def check_silence(self) -> None:
        """Raise PlaintextInjected if the server has sent anything that was not read."""
        with translating(self.peer, self.doing):
            try:
                waiting = self._tcp.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                return
            if not waiting:
                raise EOFError
        raise PlaintextInjected(f"{self.peer} sent data that nobody asked for before TLS began, possibly an attack")


#: Says what a protocol requires before TLS, and returns when the server has agreed to begin it; raises otherwise.
Negotiation: TypeAlias = Callable[[Plaintext], Awaitable[None]]


async def open_connection(
    server: Server, slot: ConnectionSlot, negotiate: Negotiation, make_protocol: Callable[[], P]
) -> tuple[asyncio.Transport, P]:
    """Connect and return a transport and its protocol, encrypted as `server.access` says.

    With STARTTLS, the protocol is made after `negotiate`, once TLS begins; it sees nothing that was said before. Raises
    ServerUnavailable, CertificateRejected, PlaintextInjected, and what `negotiate` raises.
    """
    peer = f"{server.host}:{server.port}"
    context = tls_context(server) if server.access.is_protected else None
    with translating(peer, "connecting"):
        async with asyncio.timeout(server.timeout_seconds):
            tcp = await open_socket(server)
    try:
        if server.access.is_starttls:
            plain = Plaintext(tcp, peer, server.timeout_seconds, slot)
            await negotiate(plain)
            plain.check_silence()
    except BaseException:
        tcp.close()
        raise
    return await _begin(server, tcp, context, make_protocol)


async def _begin(
    server: Server, tcp: socket.socket, context: ssl.SSLContext | None, make_protocol: Callable[[], P]
) -> tuple[asyncio.Transport, P]:
    loop = asyncio.get_running_loop()
    hostname = server.host if context is not None else None
    peer = f"{server.host}:{server.port}"
    with translating(peer, "starting TLS" if server.access.is_starttls else "connecting"):
        async with asyncio.timeout(server.timeout_seconds):
            try:
                transport, protocol = await loop.create_connection(
                    make_protocol, sock=tcp, ssl=context, server_hostname=hostname
                )
            except ssl.SSLError as error:
                if server.access.is_starttls and error.reason in _NOT_TLS:
                    raise PlaintextInjected(
                        f"{peer} agreed to begin TLS and then sent something else, possibly an attack"
                    ) from error
                raise
    try:
        check_pin(server, transport)
    except BaseException:
        transport.abort()
        raise
    return transport, protocol
