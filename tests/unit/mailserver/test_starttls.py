"""Nothing said before TLS counts after it, for every client and at every moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from muniment.errors import (
    LoginRefused,
    LoginUnsupported,
    MunimentError,
    PlaintextInjected,
    ProtocolViolation,
    ServerThrottled,
    ServerUnavailable,
)
from muniment.imap import ImapSession, negotiate_starttls
from muniment.mailserver import Limits
from muniment.mailserver.gate import UnlimitedSlot
from muniment.mailserver.starttls import open_connection
from muniment.model.finding import Verdict
from muniment.model.login import Credentials, LoginKind
from muniment.model.profile import Access, Server
from muniment.network import NetworkConnector
from muniment.pop3 import negotiate_stls
from muniment.secrecy import Secret
from tests.support.certificates import Certificate, self_signed
from tests.support.imap_script import MODERN_CAPABILITIES, Folder, Mail, Script
from tests.support.imap_server import ImapServer
from tests.support.injector import Moment, injecting
from tests.support.leaping import in_leaping_time
from tests.support.pop3_server import Pop3Script, Pop3Server
from tests.support.raw_server import raw_server

USER = "alice@example.com"
LOGIN = Credentials(LoginKind.LOGIN, USER, Secret("secret"))
ACCESSES = [Access.IMAP_TLS, Access.POP3_TLS]

#: What an attacker would have the client read as the answers to all that it asks after TLS.
FORGED = {
    Access.IMAP_TLS: b"* CAPABILITY IMAP4rev1 EVIL\r\n* PREAUTH come in\r\n" + b"* OK [CAPABILITY EVIL] x\r\n" * 20,
    Access.POP3_TLS: b"+OK\r\nUSER\r\n.\r\n"
    + b"+OK\r\n" * 3
    + b"1 9\r\n.\r\n+OK\r\n1 evil\r\n.\r\n+OK\r\nbad\r\n.\r\n",
}


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Certificate:
    """A certificate for 127.0.0.1 that this machine trusts."""
    made = self_signed(tmp_path, "127.0.0.1", valid_days=30)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.path))
    return made


@pytest.fixture
def limits(tmp_path: Path) -> Limits:
    """Limits of a session."""
    return Limits(50, 100_000, 20_000, 500_000, tmp_path / "spool")


async def _number(uidls: object) -> dict[str, int]:
    assert isinstance(uidls, list)
    return {uidl: number for number, uidl in enumerate(uidls, 1)}


async def log_in(server: Server, limits: Limits) -> list[int]:
    """Log in, and return the UIDs in the inbox."""
    session = await NetworkConnector().open(server, LOGIN, limits, _number)
    try:
        await session.examine((await session.list_folders())[0])
        return list(await session.search_uids())
    finally:
        await session.logout()


async def diagnose(server: Server, limits: Limits) -> None:
    """Raise the finding about TLS if it is bad."""
    *_, last = [finding async for finding in NetworkConnector().diagnose(server, limits)]
    assert last.step == "TLS"
    if last.verdict is not Verdict.OK:
        assert "before TLS" in last.found or "begin TLS" in last.found
        raise PlaintextInjected(last.found, hint=last.advice)


@asynccontextmanager
async def running(access: Access, certificate: Certificate) -> AsyncIterator[ImapServer | Pop3Server]:
    """Run a server with one message that offers STARTTLS."""
    tls = certificate.server_context()
    if access is Access.POP3_TLS:
        async with Pop3Server(Pop3Script([b"Subject: true\r\n\r\n"]), tls=tls) as pop3:
            yield pop3
    else:
        script = Script({USER: {b"INBOX": Folder([Mail(1, b"true")])}}, MODERN_CAPABILITIES + " STARTTLS")
        async with ImapServer(script, tls=tls) as imap:
            yield imap


@pytest.mark.parametrize("access", ACCESSES)
@pytest.mark.parametrize("call", [log_in, diagnose])
async def test_nobody_in_the_middle(
    trusted: Certificate, limits: Limits, access: Access, call: Callable[[Server, Limits], Awaitable[object]]
) -> None:
    """The proxy of these tests alone disturbs nobody."""
    async with running(access, trusted) as server, injecting(server.port, b"", Moment.WITH_OK) as port:
        await call(Server("127.0.0.1", port, access, timeout_seconds=20), limits)


@pytest.mark.parametrize(
    ("access", "moment"),
    [
        *((Access.POP3_TLS, moment) for moment in Moment),
        # IMAP allows untagged responses earlier.
        *((Access.IMAP_TLS, moment) for moment in Moment if moment not in {Moment.WITH_GREETING, Moment.BEFORE_OK}),
    ],
)
@pytest.mark.parametrize("call", [log_in, diagnose])
async def test_injected_plaintext(
    trusted: Certificate,
    limits: Limits,
    access: Access,
    moment: Moment,
    call: Callable[[Server, Limits], Awaitable[object]],
) -> None:
    """Whenever plaintext is inserted, the connection is dropped with a clear error, and nothing is sent over it."""
    async with running(access, trusted) as server, injecting(server.port, FORGED[access], moment) as port:
        with pytest.raises(PlaintextInjected, match="possibly an attack") as caught:
            await call(Server("127.0.0.1", port, access, timeout_seconds=20), limits)

    assert "no password was sent" in caught.value.hint
    assert set(server.lines) <= {"CAPABILITY", "STARTTLS", "STLS"}


@pytest.mark.parametrize("moment", [Moment.WITH_GREETING, Moment.BEFORE_OK])
async def test_capabilities_before_tls_are_forgotten(trusted: Certificate, limits: Limits, moment: Moment) -> None:
    """Untagged responses before the OK to STARTTLS, which IMAP allows, have no effect under TLS."""
    evil = b"* CAPABILITY IMAP4rev1 LOGINDISABLED EVIL\r\n* OK [CAPABILITY EVIL STARTTLS] x\r\n"
    async with running(Access.IMAP_TLS, trusted) as server, injecting(server.port, evil, moment) as port:
        target = Server("127.0.0.1", port, Access.IMAP_TLS, timeout_seconds=20)
        session = await ImapSession.open(target, LOGIN, limits)
        assert "EVIL" not in session.capabilities
        await session.logout()

    assert "CAPABILITY" in server.lines[server.lines.index("STARTTLS") :]


async def test_an_answer_before_the_question(trusted: Certificate, limits: Limits) -> None:
    """A tagged OK that an attacker sends in advance is not taken for the server's."""
    evil = b"A1 OK\r\nA0001 OK go\r\n"
    async with running(Access.IMAP_TLS, trusted) as server, injecting(server.port, evil, Moment.WITH_GREETING) as port:
        with pytest.raises(ProtocolViolation):
            await log_in(Server("127.0.0.1", port, Access.IMAP_TLS, timeout_seconds=20), limits)


Answers = list[bytes]
#: What a server says, in turn → the error. TAG stands for the tag of the command.
REFUSALS: dict[str, tuple[Access, Answers, type[MunimentError]]] = {
    "PREAUTH": (Access.IMAP_TLS, [b"* PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] hello\r\n"], LoginUnsupported),
    "preauth, in small letters": (Access.IMAP_TLS, [b"* preauth hello\r\n"], LoginUnsupported),
    "no STARTTLS": (Access.IMAP_TLS, [b"* OK hi\r\n", b"* CAPABILITY IMAP4rev1\r\nTAG OK\r\n"], LoginUnsupported),
    "no STARTTLS in the greeting": (
        Access.IMAP_TLS,
        [b"* OK [CAPABILITY IMAP4rev1 XSTARTTLS] hi\r\n", b"* CAPABILITY IMAP4rev1\r\nTAG OK\r\n"],
        LoginUnsupported,
    ),
    "STARTTLS refused": (
        Access.IMAP_TLS,
        [b"* OK [CAPABILITY STARTTLS] hi\r\n", b"TAG NO not today\r\n"],
        MunimentError,
    ),
    "STARTTLS not known": (
        Access.IMAP_TLS,
        [b"* OK [CAPABILITY STARTTLS] hi\r\n", b"TAG BAD what\r\n"],
        MunimentError,
    ),
    "BYE": (Access.IMAP_TLS, [b"* OK [CAPABILITY STARTTLS] hi\r\n", b"* BYE tired\r\n"], ServerUnavailable),
    "BYE at once": (Access.IMAP_TLS, [b"* BYE Too many connections\r\n"], ServerThrottled),
    "end": (Access.IMAP_TLS, [b"* OK [CAPABILITY STARTTLS] hi\r\n", b""], ServerUnavailable),
    "endless": (Access.IMAP_TLS, [b"* OK " + b"x" * 100_000], ProtocolViolation),
    "endless lines": (Access.IMAP_TLS, [b"* OK\r\n" * 100_000], ProtocolViolation),
    "not IMAP": (Access.IMAP_TLS, [b"220 ESMTP\r\n"], ProtocolViolation),
    "a wrong tag": (Access.IMAP_TLS, [b"* OK [CAPABILITY STARTTLS] hi\r\n", b"T1 OK\r\n"], ProtocolViolation),
    "no result": (Access.IMAP_TLS, [b"* OK [CAPABILITY STARTTLS] hi\r\n", b"TAG OKAY\r\n"], ProtocolViolation),
    "a question": (Access.IMAP_TLS, [b"* OK [CAPABILITY STARTTLS] hi\r\n", b"+ go on\r\n"], ProtocolViolation),
    "POP3: STLS refused": (Access.POP3_TLS, [b"+OK\r\n", b"-ERR unknown\r\n"], LoginUnsupported),
    "POP3: STLS throttled": (Access.POP3_TLS, [b"+OK\r\n", b"-ERR [SYS/TEMP] later\r\n"], ServerUnavailable),
    "POP3: no greeting": (Access.POP3_TLS, [b"-ERR go away\r\n"], LoginRefused),
    "POP3: not POP3": (Access.POP3_TLS, [b"* OK hi\r\n"], ProtocolViolation),
    "POP3: an odd answer": (Access.POP3_TLS, [b"+OK\r\n", b"well\r\n"], ProtocolViolation),
    "POP3: end": (Access.POP3_TLS, [b"+OK\r\n", b""], ServerUnavailable),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_no_way_back_to_plaintext(limits: Limits, case: str) -> None:
    """A server that does not begin TLS, for whatever reason, gets no name and no password, but a clear error."""
    access, answers, kind = REFUSALS[case]
    heard: list[bytes] = []

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answers[0])
        for answer in answers[1:]:
            heard.append(await reader.readuntil(b"\n"))
            writer.write(answer.replace(b"TAG", heard[-1].split()[0]))
            if not answer:
                writer.write_eof()
        heard.append(await reader.read())

    async with raw_server(play) as port:
        with pytest.raises(kind) as caught:
            await log_in(Server("127.0.0.1", port, access, timeout_seconds=20), limits)

    assert f"127.0.0.1:{port}" in str(caught.value)
    assert b"secret" not in b"".join(heard)
    assert b"alice" not in b"".join(heard)


@pytest.mark.parametrize("access", ACCESSES)
@pytest.mark.parametrize("drip", [b"* OK still here\r\n", b"+", b""])
def test_a_server_that_drips(limits: Limits, access: Access, drip: bytes) -> None:
    """Whatever a server sends instead of its answer, the wait ends after the timeout."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY STARTTLS] hi\r\n" if access is Access.IMAP_TLS else b"+OK\r\n")
        await reader.readuntil(b"\n")
        while True:
            await asyncio.sleep(5)  # in leaping time
            writer.write(drip)

    async def talk() -> MunimentError:
        async with raw_server(play) as port:
            with pytest.raises(MunimentError) as caught:
                await log_in(Server("127.0.0.1", port, access, timeout_seconds=60), limits)
            return caught.value

    error = in_leaping_time(talk())
    assert type(error) is ServerUnavailable or (access is Access.POP3_TLS and type(error) is ProtocolViolation)


@pytest.mark.parametrize("negotiate", [negotiate_starttls, negotiate_stls])
async def test_the_protocol_is_made_after_the_plaintext(negotiate: Callable[..., Awaitable[None]]) -> None:
    """Nothing that reads mail exists before TLS: what a man in the middle says has no one to say it to."""
    access = Access.IMAP_TLS if negotiate is negotiate_starttls else Access.POP3_TLS
    made: list[asyncio.Protocol] = []

    async def play(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(FORGED[access])

    def make() -> asyncio.Protocol:
        made.append(asyncio.Protocol())
        return made[-1]

    async with raw_server(play) as port:
        server = Server("127.0.0.1", port, access, timeout_seconds=20)
        with pytest.raises(MunimentError):
            await open_connection(server, UnlimitedSlot(), negotiate, make)

    assert not made
