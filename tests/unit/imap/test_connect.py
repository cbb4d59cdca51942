from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from muniment.errors import (
    CertificateRejected,
    LoginUnsupported,
    MunimentError,
    ProtocolViolation,
    ServerThrottled,
    ServerUnavailable,
)
from muniment.imap import ImapSession
from muniment.mailserver import Limits
from muniment.model.profile import Access, Server
from tests.support.certificates import Certificate, self_signed
from tests.support.imap_script import MODERN_CAPABILITIES, Fault, Folder, HugeContent, Mail, Script
from tests.support.imap_server import ImapServer, running_imap_server
from tests.support.raw_server import raw_server
from tests.unit.imap.conftest import ALICE, LOGIN, server_of

TLS_CAPABILITIES = MODERN_CAPABILITIES + " STARTTLS"
ENCRYPTED = pytest.mark.parametrize("access", [Access.IMAP_TLS, Access.IMAP_SSL])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1 from an untrusted CA."""
    return self_signed(tmp_path_factory.mktemp("tls"), "127.0.0.1")


@pytest.fixture
def trusted(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Certificate:
    """The same certificate, trusted by this machine."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    return certificate


@asynccontextmanager
async def tls_server(
    certificate: Certificate, access: Access, script: Script | None = None
) -> AsyncIterator[ImapServer]:
    """Run a server that encrypts its connections."""
    script = script or Script({ALICE: {b"INBOX": Folder([Mail(1, b"secret mail")])}}, TLS_CAPABILITIES)
    async with ImapServer(script, tls=certificate.server_context(), implicit_tls=access is Access.IMAP_SSL) as server:
        yield server


async def failure(server: Server, limits: Limits) -> MunimentError:
    """Return the error of a login attempt."""
    with pytest.raises(MunimentError) as caught:
        await ImapSession.open(server, LOGIN, limits)
    return caught.value


@ENCRYPTED
async def test_a_trusted_server(trusted: Certificate, limits: Limits, access: Access) -> None:
    """With a trusted certificate, STARTTLS and implicit TLS both give a working session."""
    async with tls_server(trusted, access) as server:
        session = await ImapSession.open(server_of(server, access=access), LOGIN, limits)
        await session.examine((await session.list_folders())[0])
        raws = [m.raw async for m in session.fetch([1])]
        assert raws[0] is not None
        assert raws[0].head(99) == b"secret mail"
        await session.logout()

    assert "STARTTLS" not in session.capabilities
    assert len(server.sent("CAPABILITY")) == (2 if access is Access.IMAP_TLS else 1)  # asked again under TLS


@ENCRYPTED
async def test_back_pressure_over_tls(trusted: Certificate, limits: Limits, access: Access) -> None:
    """Large messages arrive complete over TLS even if reading pauses."""
    folder = Folder([Mail(uid, HugeContent(400_000)) for uid in range(1, 30)])
    script = Script({ALICE: {b"INBOX": folder}}, TLS_CAPABILITIES)
    async with tls_server(trusted, access, script) as server:
        session = await ImapSession.open(server_of(server, access=access), LOGIN, limits)
        await session.examine((await session.list_folders())[0])
        sizes = []
        async for message in session.fetch(range(1, 30)):
            assert message.raw is not None
            sizes.append(sum(map(len, message.raw.chunks(65536))))
            message.raw.close()
        await session.logout()

    assert sizes == [400_000] * 29


@ENCRYPTED
async def test_an_unknown_certificate(certificate: Certificate, limits: Limits, access: Access) -> None:
    """An untrusted certificate is refused before the login."""
    async with tls_server(certificate, access) as server:
        error = await failure(server_of(server, access=access), limits)

    assert type(error) is CertificateRejected
    assert "self-signed" in str(error)
    assert server.sent("LOGIN") == []


@ENCRYPTED
async def test_accept_all_certificates(certificate: Certificate, limits: Limits, access: Access) -> None:
    """A profile that accepts all certificates works with any certificate."""
    async with tls_server(certificate, access) as server:
        careless = replace(server_of(server, access=access), accept_all_certificates=True)
        session = await ImapSession.open(careless, LOGIN, limits)
        await session.logout()


@ENCRYPTED
@pytest.mark.parametrize(("host", "days"), [("mail.example.com", 1), ("127.0.0.1", -1)], ids=["name", "expired"])
async def test_a_wrong_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: Limits, access: Access, host: str, days: int
) -> None:
    """A trusted certificate is refused if it is for another name or expired."""
    certificate = self_signed(tmp_path, host, valid_days=days)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.path))
    async with tls_server(certificate, access) as server:
        assert type(await failure(server_of(server, access=access), limits)) is CertificateRejected


async def test_starttls_not_offered(limits: Limits) -> None:
    """If TLS is required, nothing is sent in plaintext instead."""
    async with ImapServer(Script({ALICE: {}})) as server:
        error = await failure(server_of(server, access=Access.IMAP_TLS), limits)

    assert type(error) is LoginUnsupported
    assert "STARTTLS" in str(error)
    assert server.lines == ["CAPABILITY"]


async def test_starttls_refused(trusted: Certificate, limits: Limits) -> None:
    """A server that offers STARTTLS but refuses it receives no password."""
    script = Script({ALICE: {}}, TLS_CAPABILITIES, faults=[Fault("STARTTLS", "BAD not today")])
    async with tls_server(trusted, Access.IMAP_TLS, script) as server:
        error = await failure(server_of(server, access=Access.IMAP_TLS), limits)

    assert "STARTTLS" in str(error)
    assert server.sent("LOGIN") == []


async def test_tls_on_a_clear_port(limits: Limits) -> None:
    """The error for implicit TLS to a plaintext port names the settings to check."""
    async with ImapServer(Script()) as server:
        error = await failure(server_of(server, access=Access.IMAP_SSL), limits)

    assert type(error) is ServerUnavailable
    assert "--access" in error.hint


async def test_capabilities_without_end(limits: Limits) -> None:
    """Only the first capabilities of a server with a hundred thousand are kept."""
    words = " ".join(f"X{n}" for n in range(100_000))
    async with ImapServer(Script({ALICE: {}}, f"IMAP4rev1 LITERAL+ {words}")) as server:
        session = await ImapSession.open(server_of(server), LOGIN, limits)
        await session.logout()

    assert {"IMAP4REV1", "LITERAL+", "X1", "X2"} <= session.capabilities
    assert len(session.capabilities) < 5000


async def test_nobody_listens(limits: Limits) -> None:
    """The error for a refused connection names host and port."""
    async with ImapServer(Script()) as server:
        pass
    error = await failure(server_of(server), limits)

    assert type(error) is ServerUnavailable
    assert f"127.0.0.1:{server.port}" in str(error)


async def test_no_such_name(limits: Limits) -> None:
    """The error for an unresolvable name says so."""
    error = await failure(Server("no-such-host.invalid", 143, Access.IMAP), limits)

    assert type(error) is ServerUnavailable
    assert "no-such-host.invalid" in str(error)


@pytest.mark.parametrize(
    ("greeting", "ours"),
    [
        ("* BYE going down", ServerUnavailable),
        ("* BYE Too many connections", ServerThrottled),
        ("* NO Maximum number of connections", ServerThrottled),
        ("220 mail.example.com ESMTP", ProtocolViolation),
        ("SSH-2.0-OpenSSH_9.2", ProtocolViolation),
        ("+OK POP3 ready", ProtocolViolation),
        ("* 5 EXISTS", ProtocolViolation),
        ("", ProtocolViolation),
    ],
)
async def test_greetings(limits: Limits, greeting: str, ours: type[MunimentError]) -> None:
    """An invalid or refusing greeting raises the right error."""
    async with ImapServer(Script(greeting=greeting)) as server:
        assert type(await failure(server_of(server), limits)) is ours


@pytest.mark.parametrize("access", list(Access))
async def test_a_server_that_says_nothing(limits: Limits, access: Access) -> None:
    """A server that accepts the connection and stays silent costs only the timeout."""

    async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass

    async with raw_server(say_nothing) as port:
        error = await failure(Server("127.0.0.1", port, access, timeout_seconds=0.1), limits)

    assert type(error) is ServerUnavailable


async def test_a_server_that_hangs_up_at_once(limits: Limits) -> None:
    """The error for a connection closed before the greeting says that the server closed it."""
    script = Script(faults=[Fault("GREETING", close=True)])
    async with ImapServer(script) as server:
        error = await failure(server_of(server), limits)

    assert "waiting for the greeting" in str(error)


async def test_a_server_in_a_thread(limits: Limits) -> None:
    """The scripted server can also run next to the test, for other processes to connect to."""
    with running_imap_server(Script({ALICE: {b"INBOX": Folder()}})) as server:
        session = await ImapSession.open(server_of(server), LOGIN, limits)
        assert [f.path for f in await session.list_folders()] == [("INBOX",)]
        await session.logout()

    assert server.max_connections == 1
