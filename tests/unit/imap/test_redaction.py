from __future__ import annotations

import asyncio
import logging
import re
import traceback
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.errors import CommandRefused, LoginRefused, MunimentError, ServerUnavailable
from muniment.imap import ImapSession
from muniment.imap.refusal import Status
from muniment.mailserver import Limits
from muniment.mailserver.redaction import Redactor
from muniment.model.folder import ServerFolder
from muniment.model.login import Credentials, LoginKind
from muniment.model.profile import Access, Server
from muniment.secrecy import Secret
from tests.support.raw_server import raw_server

INBOX = ServerFolder(b"INBOX", ("INBOX",), frozenset(), None)
SECRET = "hunter2hunter2"  # in a variable, because tracebacks show source lines
PASSWORDS = ['s3cr3t "pw\\x', "pässw0rd-lang", SECRET, "123456789012345678901"]

# Server responses to a login; PW is the password, QUOTED in its quoted form, BASE64 and PLAIN as SASL encodes it.
HOSTILE = {
    "BYE that repeats the line": b'* BYE cannot parse: LOGIN "bob" "QUOTED"\r\n',
    "no IMAP at all": b'ERR unknown command LOGIN "bob" "QUOTED"\r\n',
    "no IMAP, in clear": b"ERR PW\r\n",
    "cut in the middle, NO": b"TAG NO " + b"x" * 390 + b"PW\r\n",
    "cut in the middle, BYE": b"* BYE " + b"x" * 390 + b"PW\r\n",
    "cut in the middle, no IMAP": b"ERR " + b"x" * 186 + b"PW\r\n",
    "wrong tag": b"ZZZ99 OK PW BASE64 PLAIN\r\n",
    "tagged": b"TAG NO you said PW, BASE64 and PLAIN\r\n",
    "in capitals": b"TAG NO UPPER\r\n",
    "as a code": b"TAG NO [PW] no\r\n",
    "behind a known code": b"TAG BAD [AUTHENTICATIONFAILED] PW\r\n",
    "throttled": b"TAG NO [LIMIT] too many PW\r\n",
    "a number": b"* PW EXISTS\r\n",
    "a literal": b"* LIST () NIL {PW}\r\n",
    "latin-1": b"TAG NO LATIN1\r\n",
}


def credentials_of(kind: LoginKind, password: str) -> Credentials:
    """Return credentials with this password."""
    return Credentials(kind, "bob", Secret(password), "ann" if kind is LoginKind.PLAIN_AUTHZID else "")


def filled(answer: bytes, tag: bytes, password: str) -> bytes:
    """Fill the tag and the forms of a password into an answer."""
    clear = password.encode()
    forms = {
        b"TAG": tag,
        b"PLAIN": b64encode(b"ann\0bob\0" + clear),
        b"BASE64": b64encode(clear),
        b"QUOTED": quoted(clear),
        b"UPPER": password.upper().encode(),
        b"LATIN1": password.encode("latin-1"),
        b"PW": clear,
    }
    return re.sub(b"|".join(forms), lambda match: forms[match[0]], answer)


def quoted(clear: bytes) -> bytes:
    """Return a password as it appears inside quotes."""
    return clear.replace(b"\\", b"\\\\").replace(b'"', b'\\"')


def everything(error: BaseException) -> str:
    """Return all text that a log, a traceback or a database could show of an error and its causes."""
    seen, text = [error], "".join(traceback.format_exception(error))
    for link in seen:
        text += f"{link} {link!r} {link.args} {getattr(link, 'hint', '')} {vars(link)}"
        seen += [e for e in (link.__cause__, link.__context__) if e is not None and e not in seen]
    return text.lower()


def leaks(text: str, password: str) -> list[str]:
    """Return the forms of a password, or large parts of them, that appear in a text."""
    clear = password.encode()
    forms = [password, quoted(clear).decode(), b64encode(clear).decode(), b64encode(b"ann\0bob\0" + clear).decode()]
    latin = clear.decode().encode("latin-1").decode("utf-8", "replace")
    parts = [*forms, latin, *(form[: max(4, len(form) // 2)] for form in forms[:2])]
    return [part for part in parts if part.lower() in text]


async def answered(answer: bytes, credentials: Credentials, limits: Limits, *, then: bytes = b"") -> ImapSession:
    """Log in to a server with this answer, which then sends `then` to the next command."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR LITERAL+] hello\r\n")
        for response in (answer, then):
            line = await reader.readuntil(b"\r\n")
            tag = line.split(b" ")[0]
            while line.endswith(b"+}\r\n"):
                line = await reader.readuntil(b"\r\n")
            writer.write(filled(response, tag, credentials.password.reveal()))
        await reader.read()

    async with raw_server(play) as port:
        session = await ImapSession.open(Server("127.0.0.1", port, Access.IMAP), credentials, limits)
        try:
            if then:
                await session.examine(INBOX)
        finally:
            session.abort()
        return session


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize("kind", [LoginKind.LOGIN, LoginKind.PLAIN_AUTHZID])
@pytest.mark.parametrize("answer", HOSTILE)
async def test_no_error_of_a_login_shows_the_password(
    limits: Limits, caplog: pytest.LogCaptureFixture, answer: str, kind: LoginKind, password: str
) -> None:
    """However a server echoes the password, and whatever happens next, it is never shown."""
    with caplog.at_level(logging.DEBUG), pytest.raises(MunimentError) as caught:
        await asyncio.wait_for(answered(HOSTILE[answer] + b"* BYE\r\n", credentials_of(kind, password), limits), 10)

    assert leaks(everything(caught.value) + caplog.text.lower(), password) == []


@pytest.mark.parametrize("password", PASSWORDS)
@pytest.mark.parametrize(
    "answer",
    [
        b"TAG OK [CAPABILITY IMAP4rev1 X-PW LITERAL+ ESEARCH] in\r\n",
        b"* CAPABILITY IMAP4rev1 X-UPPER ESEARCH\r\nTAG OK PW is in\r\n",
        b"* OK [CAPABILITY IMAP4rev1 PLAIN ESEARCH] PW\r\n* OK [ALERT] PW\r\nTAG OK in\r\n",
    ],
)
async def test_no_capability_shows_the_password(limits: Limits, answer: bytes, password: str) -> None:
    """Capabilities are displayed; a word that contains the password is dropped, the others are kept."""
    session = await answered(answer, credentials_of(LoginKind.LOGIN, password), limits)

    assert leaks(" ".join(session.capabilities).lower(), password) == []
    assert session.capabilities >= {"IMAP4REV1", "ESEARCH"}


async def test_a_password_that_is_a_capability(limits: Limits) -> None:
    """A password that equals a capability does not hide that capability."""
    credentials = credentials_of(LoginKind.LOGIN, "ESEARCH")
    session = await answered(b"TAG OK [CAPABILITY IMAP4rev1 ESEARCH] in\r\n", credentials, limits)

    assert session.capabilities == {"IMAP4REV1", "ESEARCH"}


@pytest.mark.parametrize(
    ("then", "ours"),
    [
        (b"* BYE session of bob:PW ends\r\n", ServerUnavailable),
        (b"TAG NO bob:PW may not\r\n", CommandRefused),
        (b"WHAT PW\r\n", MunimentError),
    ],
)
async def test_later_answers_do_not_show_it_either(limits: Limits, then: bytes, ours: type[MunimentError]) -> None:
    """A server that echoes the password long after the login is redacted, too."""
    in_ = b"TAG OK [CAPABILITY IMAP4rev1] in\r\n"
    with pytest.raises(ours) as caught:
        await answered(in_, credentials_of(LoginKind.LOGIN, SECRET), limits, then=then)

    assert leaks(everything(caught.value), SECRET) == []


@pytest.mark.parametrize("password", ["a", "LIMIT", "too many", "OK", "]", " "])
async def test_odd_passwords_change_no_meaning(limits: Limits, password: str) -> None:
    """A response is interpreted before anything in it is redacted."""
    with pytest.raises(LoginRefused):
        await answered(b"TAG NO [AUTHENTICATIONFAILED] wrong\r\n", credentials_of(LoginKind.LOGIN, password), limits)


def test_a_status_does_not_show_its_argument() -> None:
    """The raw argument of a code appears in no repr."""
    status = Status.parse("OK", b"[CAPABILITY IMAP4rev1 hunter22] hi hunter22", Redactor([b"hunter22"]))

    assert "hunter22" not in f"{status} {status!r}"


@given(st.binary(max_size=40), st.binary(min_size=4, max_size=8), st.binary(max_size=40))
def test_nothing_is_left(before: bytes, secret: bytes, after: bytes) -> None:
    """The secret is removed wherever it occurs; text without it stays unchanged."""
    redactor = Redactor([secret, b""])

    assert secret not in redactor.hide(before + secret + after)
    assert redactor.hide(b"") == b""
    assert (
        secret in before + after
        or secret.lower() in (before + after).lower()
        or (redactor.hide(before + after) == before + after)
    )
    assert repr(secret) not in repr(redactor)
