from __future__ import annotations

import asyncio
import logging
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace

import pytest

from muniment.errors import LoginRefused, LoginUnsupported, Misconfigured, MunimentError, ServerThrottled
from muniment.imap import ImapSession
from muniment.mailserver import Limits
from muniment.model.login import Credentials, LoginKind
from muniment.model.profile import Access, Server
from muniment.secrecy import Secret
from tests.support.imap_script import MODERN_CAPABILITIES, Fault, Folder, Mail, Script
from tests.support.imap_server import ImapServer
from tests.support.raw_server import raw_server
from tests.unit.imap.conftest import ALICE, LOGIN, OpenSession, server_of

MASTER = Credentials(LoginKind.PLAIN_AUTHZID, "archiver", Secret("mästerpass"), authorize_as=ALICE)


def mailbox(*uids: int) -> dict[bytes, Folder]:
    """Return folders with an INBOX of these UIDs."""
    return {b"INBOX": Folder([Mail(uid, b"x") for uid in uids])}


async def log_in(script: Script, credentials: Credentials, limits: Limits) -> ImapServer:
    """Log in and out, and return the server."""
    async with ImapServer(script) as server:
        session = await ImapSession.open(server_of(server), credentials, limits)
        await session.logout()
    return server


@pytest.mark.parametrize("sasl_ir", [True, False])
async def test_plain_opens_the_mailbox_of_the_authorization_identity(limits: Limits, *, sasl_ir: bool) -> None:
    """AUTHENTICATE PLAIN sends the mailbox, the privileged user and the password, in one or two steps."""
    capabilities = MODERN_CAPABILITIES if sasl_ir else MODERN_CAPABILITIES.replace(" SASL-IR", "")
    script = Script({ALICE: mailbox(7), "archiver": mailbox(1)}, capabilities, passwords={"archiver": "mästerpass"})
    async with ImapServer(script) as server:
        session = await ImapSession.open(server_of(server), MASTER, limits)
        (inbox,) = await session.list_folders()
        await session.examine(inbox)
        assert list(await session.search_uids()) == [7]
        await session.logout()

    response = b64encode(f"{ALICE}\0archiver\0mästerpass".encode()).decode()
    assert server.sent("AUTHENTICATE") == ["AUTHENTICATE PLAIN" + (f" {response}" if sasl_ir else "")]


@pytest.mark.parametrize("capabilities", [MODERN_CAPABILITIES, "IMAP4rev1 LITERAL-", "IMAP4rev1"])
@pytest.mark.parametrize(
    ("user", "password"),
    [
        ("alice*archiver", "simple"),
        ('domain\\ali"ce', 'pass "word" \\'),
        ("Jürgen@müller.example", "pässwörd"),
        ("alice {5}", "{7}"),
        ("NIL", " "),
    ],
)
async def test_login_sends_any_name(limits: Limits, capabilities: str, user: str, password: str) -> None:
    """LOGIN sends quoted strings or literals, so that the server reads the exact name and password."""
    script = Script({user: mailbox()}, capabilities, passwords={user: password})
    server = await log_in(script, Credentials(LoginKind.TEMPLATE, user, Secret(password)), limits)

    assert server.sent("LOGIN") == [f"LOGIN {user} {password}"]


KERIO = Credentials(LoginKind.X_MASTERAUTH, "", Secret("mästerpass"), authorize_as=ALICE)
SUN = Credentials(LoginKind.PROXYAUTH, "admin", Secret("secret"), authorize_as=ALICE)
TOKEN = Credentials(LoginKind.XOAUTH2, ALICE, Secret("ya29.token"))
MODERN_TOKEN = f"{MODERN_CAPABILITIES} AUTH=XOAUTH2"


async def opened_uids(script: Script, credentials: Credentials, limits: Limits) -> list[int]:
    """Log in and return the UIDs of the opened INBOX."""
    async with ImapServer(script) as server:
        session = await ImapSession.open(server_of(server), credentials, limits)
        (inbox,) = await session.list_folders()
        await session.examine(inbox)
        uids = list(await session.search_uids())
        await session.logout()
    return uids


async def test_kerios_master_password_opens_the_mailbox(limits: Limits) -> None:
    """X-MASTERAUTH answers the server's challenge with a digest, X-SETUSER selects the mailbox."""
    script = Script({ALICE: mailbox(7)}, master_password="mästerpass")

    assert await opened_uids(script, KERIO, limits) == [7]


@pytest.mark.parametrize(
    ("master_password", "error", "sentence"),
    [("another", LoginRefused, "X-MASTERAUTH failed"), ("", LoginUnsupported, "Enable master authentication")],
)
async def test_kerio_refuses(limits: Limits, master_password: str, error: type[MunimentError], sentence: str) -> None:
    """The errors for a wrong master password and for disabled master authentication say what to do."""
    script = Script({ALICE: mailbox(7)}, master_password=master_password)
    with pytest.raises(error) as caught:
        await log_in(script, KERIO, limits)

    assert sentence in f"{caught.value} {caught.value.hint}"


async def test_kerio_knows_no_such_mailbox(limits: Limits) -> None:
    """A mailbox that X-SETUSER does not find is a refused login of that mailbox."""
    script = Script({"bob@example.com": mailbox(7)}, master_password="mästerpass")
    with pytest.raises(LoginRefused, match=ALICE):
        await log_in(script, KERIO, limits)


async def test_suns_proxyauth_opens_the_mailbox(limits: Limits) -> None:
    """The privileged user logs in, then becomes the mailbox's user."""
    script = Script({ALICE: mailbox(7), "admin": mailbox(1)}, may_proxy=frozenset({"admin"}))

    assert await opened_uids(script, SUN, limits) == [7]


async def test_suns_proxyauth_is_refused(limits: Limits) -> None:
    """Without the permission, the login fails: the user's own mailbox is not opened instead."""
    script = Script({ALICE: mailbox(7), "admin": mailbox(1)})
    with pytest.raises(LoginRefused, match="you may not"):
        await log_in(script, SUN, limits)


@pytest.mark.parametrize("sasl_ir", [True, False])
async def test_an_access_token_opens_the_mailbox(limits: Limits, *, sasl_ir: bool) -> None:
    """XOAUTH2 sends the user and the token, in one or two steps."""
    capabilities = MODERN_TOKEN if sasl_ir else MODERN_TOKEN.replace(" SASL-IR", "")
    script = Script({ALICE: mailbox(7)}, capabilities, passwords={ALICE: "ya29.token"})

    assert await opened_uids(script, TOKEN, limits) == [7]


@pytest.mark.parametrize("sasl_ir", [True, False])
async def test_an_old_access_token_is_refused(limits: Limits, *, sasl_ir: bool) -> None:
    """The server explains a refusal in a challenge, which requires a response before the NO."""
    capabilities = MODERN_TOKEN if sasl_ir else MODERN_TOKEN.replace(" SASL-IR", "")
    script = Script({ALICE: mailbox(7)}, capabilities, passwords={ALICE: "ya29.newer"})
    with pytest.raises(LoginRefused, match=ALICE):
        await log_in(script, TOKEN, limits)


async def test_without_xoauth2_no_token_is_sent(limits: Limits) -> None:
    """A token is never sent to a server that does not offer XOAUTH2."""
    async with ImapServer(Script({ALICE: mailbox(7)})) as server:
        with pytest.raises(LoginUnsupported, match="AUTH=XOAUTH2"):
            await ImapSession.open(server_of(server), TOKEN, limits)
        assert not server.sent("AUTHENTICATE")


async def test_the_next_login_is_used_where_the_first_is_not_offered(limits: Limits) -> None:
    """If a kind of server has several login methods, the offered one is chosen without a failed login."""
    template = Credentials(LoginKind.TEMPLATE, f"{ALICE}*archiver", Secret("mästerpass"))
    script = Script({f"{ALICE}*archiver": mailbox(7)}, "IMAP4rev1")
    async with ImapServer(script) as server:
        session = await ImapSession.open(server_of(server), replace(MASTER, instead=template), limits)
        await session.logout()

    assert not server.sent("AUTHENTICATE")
    assert server.sent("LOGIN") == [f"LOGIN {ALICE}*archiver mästerpass"]


@pytest.mark.parametrize("in_answer", [True, False])
async def test_capabilities_are_those_after_the_login(limits: Limits, *, in_answer: bool) -> None:
    """Capabilities are taken from the login's response, or requested."""
    script = Script({ALICE: mailbox()}, capabilities_in_login_answer=in_answer)
    async with ImapServer(script) as server:
        session = await ImapSession.open(server_of(server), LOGIN, limits)
        assert "LIST-STATUS" in session.capabilities
        assert len(server.sent("CAPABILITY")) == (1 if in_answer else 2)
        assert session.commands == (2 if in_answer else 3)
        await session.logout()


async def test_capabilities_in_the_greeting_save_a_round_trip(limits: Limits) -> None:
    """Capabilities in the greeting are valid until the login."""
    script = Script({ALICE: mailbox()}, greeting=f"* OK [CAPABILITY {MODERN_CAPABILITIES}] hello")

    assert (await log_in(script, LOGIN, limits)).sent("CAPABILITY") == []


async def test_no_plain_offered(limits: Limits) -> None:
    """If AUTH=PLAIN is missing, the error lists what the server offers, and nothing is sent."""
    script = Script({ALICE: mailbox()}, "IMAP4rev1 AUTH=GSSAPI AUTH=NTLM")
    async with ImapServer(script) as server:
        with pytest.raises(LoginUnsupported, match="AUTH=GSSAPI, AUTH=NTLM"):
            await ImapSession.open(server_of(server), MASTER, limits)

    assert server.sent("AUTHENTICATE") == []


async def test_login_disabled(limits: Limits) -> None:
    """LOGINDISABLED is respected: the password is not sent in plaintext."""
    script = Script({ALICE: mailbox()}, "IMAP4rev1 LOGINDISABLED")
    async with ImapServer(script) as server:
        with pytest.raises(LoginUnsupported, match="disables LOGIN"):
            await ImapSession.open(server_of(server), LOGIN, limits)

    assert server.sent("LOGIN") == []


async def test_already_logged_in(limits: Limits) -> None:
    """A server that greets with PREAUTH does not know which mailbox we want."""
    with pytest.raises(LoginUnsupported, match="PREAUTH"):
        await log_in(Script({ALICE: mailbox()}, greeting="* PREAUTH welcome back"), LOGIN, limits)


@pytest.mark.parametrize("bad", ["a\r\nb", "a\nb", "a\0b", "a\ud800b"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda bad: replace(MASTER, user=bad),
        lambda bad: replace(MASTER, password=Secret(bad)),
        lambda bad: replace(MASTER, authorize_as=bad),
    ],
    ids=["user", "password", "authorize_as"],
)
async def test_what_cannot_be_sent(limits: Limits, bad: str, spoil: Callable[[str], Credentials]) -> None:
    """Line breaks, NULs and lone surrogates in credentials are refused before anything is sent."""
    credentials = spoil(bad)
    async with ImapServer(Script({ALICE: mailbox()})) as server:
        with pytest.raises(Misconfigured) as caught:
            await ImapSession.open(server_of(server), credentials, limits)

    assert server.lines == []
    assert bad not in str(caught.value)


async def test_a_wrong_password(limits: Limits) -> None:
    """The error for a refused login names the user and contains the server's text."""
    script = Script({ALICE: mailbox()}, passwords={ALICE: "other"})

    with pytest.raises(LoginRefused, match=rf"{ALICE}: NO \[AUTHENTICATIONFAILED\] wrong name or password"):
        await log_in(script, LOGIN, limits)


async def test_a_busy_server_is_transient(limits: Limits) -> None:
    """A temporarily refused login may succeed later."""
    script = Script({ALICE: mailbox()}, faults=[Fault("LOGIN", "NO [INUSE] being archived elsewhere")])

    with pytest.raises(ServerThrottled):
        await log_in(script, LOGIN, limits)


async def test_a_question_too_many(limits: Limits) -> None:
    """A server that requests more data than PLAIN has receives a cancellation (RFC 3501 §6.2.2), and refuses."""
    answers: list[bytes] = []

    async def ask_twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR] hello\r\n")
        tag = (await reader.readuntil(b"\r\n")).split()[0]
        writer.write(b"+ and your mother's name?\r\n")
        answers.append(await reader.readuntil(b"\r\n"))
        writer.write(tag + b" BAD then not\r\n")
        await reader.read()

    async with raw_server(ask_twice) as port:
        with pytest.raises(LoginRefused, match="then not"):
            await ImapSession.open(Server("127.0.0.1", port, Access.IMAP), MASTER, limits)

    assert answers == [b"*\r\n"]


@pytest.mark.parametrize("credentials", [LOGIN, MASTER], ids=["LOGIN", "PLAIN"])
async def test_the_password_is_seen_nowhere(
    limits: Limits, caplog: pytest.LogCaptureFixture, credentials: Credentials
) -> None:
    """Even if the server echoes it, the password appears in no log line and no error."""
    password = credentials.password.reveal()
    plain = b64encode(f"{credentials.authorize_as}\0{credentials.user}\0{password}".encode()).decode()
    refusal = f"NO you said {password} and {plain}"
    script = Script({ALICE: mailbox()}, faults=[Fault(c, refusal) for c in ("LOGIN", "AUTHENTICATE")])
    with caplog.at_level(logging.DEBUG), pytest.raises(LoginRefused) as caught:
        await log_in(script, credentials, limits)

    seen = caplog.text + str(caught.value) + repr(caught.value) + caught.value.hint
    assert password not in seen
    assert plain not in seen


async def test_the_server_opens_whatever_it_likes(opened: OpenSession) -> None:
    """A server may say OK and open another mailbox: only its content can tell."""
    script = Script({ALICE: mailbox(1), "admin": {b"INBOX": Folder([Mail(3, b"Message-ID: <adm@x>\r\n\r\n")])}})
    script.always_opens = "admin"
    async with opened(script) as (session, _):
        (inbox,) = await session.list_folders()
        await session.examine(inbox)
        assert await session.oldest_messages() == [(3, "Message-ID: <adm@x> 17-Jul-2024 02:44:25 -0700")]
