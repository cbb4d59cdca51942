"""A PostgreSQL server that asks for the password in clear text gets it only over a protected link."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from muniment.db.database import Database
from muniment.errors import DatabaseUnavailable, Misconfigured
from muniment.secrecy import Secret
from tests.support.certificates import self_signed

PASSWORD = "hunter2"
#: An address that leads to this machine, but does not say so: what a name in a network looks like.
ELSEWHERE = "0.0.0.0"

SSL_REQUEST = struct.pack("!ii", 8, 80877103)


def message(kind: bytes, body: bytes) -> bytes:
    """Return a message of PostgreSQL's protocol."""
    return kind + struct.pack("!i", 4 + len(body)) + body


def authentication(code: int, more: bytes = b"") -> bytes:
    """Return a request for authentication."""
    return message(b"R", struct.pack("!i", code) + more)


CLEARTEXT = authentication(3)
NOTICE = message(b"N", b"SNOTICE\0C00000\0Mhello\0\0")
SASL = authentication(10, b"SCRAM-SHA-256\0\0")
GARBAGE = b"R\0\0\0\0\0\0\0\3"


@dataclass
class Server:
    """A server that sends `sends`, one part after each answer (or, if it drips, at once), and keeps what it hears."""

    sends: Sequence[bytes]
    tls: ssl.SSLContext | None = None
    drips: bool = False
    clients: set[asyncio.Task[None]] = field(default_factory=set)
    heard: bytearray = field(default_factory=bytearray)
    port: int = 0

    def url(self, host: str, options: str = "") -> Secret:
        """Return the URL of a database here."""
        return Secret(f"postgresql://muniment:{PASSWORD}@{host}:{self.port}/m{options}")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client."""
        task = asyncio.current_task()
        assert task is not None
        self.clients.add(task)
        try:
            first = await reader.readexactly(8)
            if first == SSL_REQUEST:
                writer.write(b"S" if self.tls else b"N")
                await writer.drain()
                if self.tls:
                    await writer.start_tls(self.tls)
                first = await reader.readexactly(8)
            length = struct.unpack("!i", first[:4])[0]
            await reader.readexactly(length - 8)
            for part in self.sends:
                writer.write(part)
                await writer.drain()
                if self.drips:
                    await asyncio.sleep(0)  # the kernel hands it over before the next one
                else:
                    self.heard += await reader.read(1000)
            if self.drips:
                self.heard += await reader.read()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def pretender(*sends: bytes, tls: ssl.SSLContext | None = None, drips: bool = False) -> AsyncIterator[Server]:
    """Run such a server."""
    found = Server(sends, tls, drips)
    listening = await asyncio.start_server(found.serve, "0.0.0.0", 0)
    async with listening:
        found.port = listening.sockets[0].getsockname()[1]
        yield found
        await asyncio.gather(*found.clients)


@pytest.mark.parametrize(
    "sends",
    [
        [CLEARTEXT],
        [NOTICE + CLEARTEXT],
        [CLEARTEXT + NOTICE],
        [SASL, CLEARTEXT],  # after the first message of a login that reveals nothing
        [authentication(5, b"salt"), CLEARTEXT],
        [authentication(0) + CLEARTEXT],  # the login is accepted, and not over
        [GARBAGE],
    ],
    ids=["at once", "after a notice", "before a notice", "after SASL", "after MD5", "after OK", "no message"],
)
@pytest.mark.parametrize("mode", ["disable", "allow", "prefer"])
async def test_the_password_is_not_told(sends: list[bytes], mode: str) -> None:
    """Whenever the server asks: the setting is named, and the password stays here."""
    async with pretender(*sends) as server:
        with pytest.raises(Misconfigured, match="demands the password in clear text") as caught:
            await Database.open(server.url(ELSEWHERE, f"?sslmode={mode}"))

    assert PASSWORD.encode() not in server.heard
    assert "verify-full" in (caught.value.hint or "")
    assert "MUNIMENT_UNENCRYPTED_LINKS" in (caught.value.hint or "")


async def test_a_demand_in_pieces_is_understood() -> None:
    """TCP may deliver the message byte by byte."""
    async with pretender(*(bytes([byte]) for byte in NOTICE + CLEARTEXT), drips=True) as server:
        with pytest.raises(Misconfigured, match="demands the password in clear text"):
            await Database.open(server.url(ELSEWHERE, "?sslmode=disable"))

    assert PASSWORD.encode() not in server.heard


async def test_encryption_without_a_verified_certificate_is_not_enough(tmp_path: Path) -> None:
    """Whoever stands in between has a certificate, too."""
    certificate = self_signed(tmp_path, "elsewhere.example.com")
    async with pretender(CLEARTEXT, tls=certificate.server_context()) as server:
        with pytest.raises(Misconfigured, match="demands the password in clear text"):
            await Database.open(server.url(ELSEWHERE, "?sslmode=require"))

    assert PASSWORD.encode() not in server.heard


async def test_where_it_may_be_told(tmp_path: Path) -> None:
    """On this machine, with a verified certificate, and with the permission."""
    certificate = self_signed(tmp_path, ELSEWHERE)
    verified = f"?sslmode=verify-full&sslrootcert={certificate.path}"
    for tls, host, options, permitted in [
        (None, "127.0.0.1", "?sslmode=disable", False),
        (certificate.server_context(), ELSEWHERE, verified, False),
        (None, ELSEWHERE, "", True),
    ]:
        async with pretender(CLEARTEXT, tls=tls) as server:
            with pytest.raises(DatabaseUnavailable):  # it only listens
                await Database.open(server.url(host, options), unencrypted_links=permitted)
        assert PASSWORD.encode() in server.heard


async def test_beyond_this_machine_tls_is_the_default(tmp_path: Path) -> None:
    """Without sslmode, a server without TLS or with a certificate that nobody vouches for learns nothing at all."""
    certificate = self_signed(tmp_path, ELSEWHERE)
    for tls in (None, certificate.server_context()):
        async with pretender(authentication(0), tls=tls) as server:
            with pytest.raises(DatabaseUnavailable) as caught:
                await Database.open(server.url(ELSEWHERE))
        assert server.heard == b""
        assert "sslmode=verify-full" in (caught.value.hint or "")
