from __future__ import annotations

import inspect
import socket
import ssl

import aioimaplib.aioimaplib
import pytest

from muniment.errors import (
    CertificateRejected,
    CommandRefused,
    LoginRefused,
    LoginUnsupported,
    MunimentError,
    ProtocolViolation,
    ServerThrottled,
    ServerUnavailable,
)
from muniment.imap.refusal import Status, bye_error, command_error, login_error, message_error
from muniment.imap.translate import TABLE, translated

FOREIGN = [
    cls
    for _, cls in inspect.getmembers(aioimaplib.aioimaplib, inspect.isclass)
    if issubclass(cls, BaseException) and cls.__module__.startswith("aioimaplib")
]


def test_the_library_has_the_errors_we_think() -> None:
    """The list below is not accidentally empty."""
    assert {"Abort", "Error", "CommandTimeout"} <= {cls.__name__ for cls in FOREIGN}


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda c: c.__name__)
def test_every_error_of_the_library_is_mapped(foreign: type[BaseException]) -> None:
    """Every error class of aioimaplib is translated."""
    assert any(base in TABLE for base in foreign.__mro__)


@pytest.mark.parametrize(
    ("foreign", "ours"),
    [
        (ssl.SSLCertVerificationError("bad"), CertificateRejected),
        (ssl.SSLError("bad"), ServerUnavailable),
        (ConnectionRefusedError(111, "refused"), ServerUnavailable),
        (ConnectionResetError(104, "reset"), ServerUnavailable),
        (socket.gaierror(-2, "unknown"), ServerUnavailable),
        (TimeoutError(), ServerUnavailable),
        (OSError(113, "no route"), ServerUnavailable),
        (EOFError(), ServerUnavailable),
        (aioimaplib.aioimaplib.Abort("unexpected tag"), ProtocolViolation),
        (UnicodeDecodeError("ascii", b"\xff", 0, 1, "bad"), ProtocolViolation),
        (KeyError("x"), ProtocolViolation),
        (LoginRefused("no"), LoginRefused),
    ],
    ids=lambda e: type(e).__name__ if isinstance(e, Exception) else None,
)
def test_the_most_specific_entry_wins(foreign: Exception, ours: type[MunimentError]) -> None:
    """A foreign error becomes one of ours that names its context."""
    error = translated(foreign, "mail.example.com:143", "connecting")

    assert type(error) is ours
    assert foreign is error or "mail.example.com:143" in str(error)


@pytest.mark.parametrize(
    ("rest", "code", "argument", "text"),
    [
        (b"[AUTHENTICATIONFAILED] no", "AUTHENTICATIONFAILED", b"", "no"),
        (b"[UIDNEXT 5] next", "UIDNEXT", b"5", "next"),
        (b"just text [x]", "", b"", "just text [x]"),
        (b"[broken", "", b"", "[broken"),
        (b"", "", b"", ""),
    ],
)
def test_status(rest: bytes, code: str, argument: bytes, text: str) -> None:
    """A status response has a code, an argument and a text, or only some of them."""
    assert Status.parse("NO", rest) == Status("NO", code, argument, text)


@pytest.mark.parametrize(
    ("answer", "ours"),
    [
        ("NO [AUTHENTICATIONFAILED] Authentication failed.", LoginRefused),
        ("NO [AUTHORIZATIONFAILED] Authorization failed", LoginRefused),
        ("NO LOGIN failed.", LoginRefused),
        ("BAD no master user", LoginRefused),
        ("NO [UNAVAILABLE] Temporary authentication failure.", ServerThrottled),
        ("NO [INUSE] mailbox in use", ServerThrottled),
        ("NO [LIMIT] Too many sessions", ServerThrottled),
        ("NO [ALERT] Too many simultaneous connections. (Failure)", ServerThrottled),
        ("NO Maximum number of connections from user+IP exceeded", ServerThrottled),
        ("NO Request is throttled. Suggested Backoff Time: 299961 milliseconds", ServerThrottled),
        ("NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)", ServerThrottled),
        ("NO [AUTHENTICATIONFAILED] Too many failures", LoginRefused),
        ("NO Server busy, please try again later", ServerUnavailable),
        ("NO The directory is busy", ServerUnavailable),
        ("NO [SERVERBUG] Internal error occurred", ServerUnavailable),
        ("NO [PRIVACYREQUIRED] Plaintext authentication disallowed", LoginUnsupported),
    ],
)
def test_login_answers(answer: str, ours: type[MunimentError]) -> None:
    """A refused login is permanent, unless the server reports a temporary cause."""
    result, _, rest = answer.partition(" ")
    error = login_error(Status.parse(result, rest.encode()), "alice", "host:143")

    assert type(error) is ours
    assert "alice" in str(error) or ours is LoginUnsupported
    assert rest in str(error)


@pytest.mark.parametrize(
    ("answer", "ours"),
    [
        ("NO [NONEXISTENT] no such folder", CommandRefused),
        ("BAD syntax", CommandRefused),
        ("NO [OVERQUOTA] exceeded quota", ServerThrottled),
        ("NO [THROTTLED] slow down", ServerThrottled),
        ("NO [LIMIT] too much", ServerThrottled),
        ("NO [UNAVAILABLE] try again later", ServerThrottled),
        ("NO Too many connections, try again later", ServerThrottled),
        ("NO [SERVERBUG] Internal error occurred. Refer to server log for more information.", ServerUnavailable),
        ("NO The server is busy", ServerUnavailable),
        ("NO Please try again later", ServerUnavailable),
        ("NO [ALERT] Temporary System Error", ServerUnavailable),
        ("BAD User is authenticated but not connected.", ServerUnavailable),
        ("NO [NOPERM] not available to you", CommandRefused),
        ("NO business here", CommandRefused),
    ],
)
def test_command_answers(answer: str, ours: type[MunimentError]) -> None:
    """A refused command is permanent, unless the server throttles or reports a failure of its own."""
    result, _, rest = answer.partition(" ")
    error = command_error(Status.parse(result, rest.encode()), "EXAMINE", "host:143")

    assert type(error) is ours
    assert "EXAMINE" in str(error)
    assert rest in str(error)


@pytest.mark.parametrize(
    ("answer", "ours"),
    [
        ("NO [SERVERBUG] Internal error occurred.", CommandRefused),
        ("NO Please try again later", CommandRefused),
        ("NO [LIMIT] too much", ServerThrottled),
    ],
)
def test_message_answers(answer: str, ours: type[MunimentError]) -> None:
    """An internal error on FETCH may be caused by one message and does not prove an outage."""
    result, _, rest = answer.partition(" ")

    assert type(message_error(Status.parse(result, rest.encode()), "UID FETCH", "host:143")) is ours


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("Server shutting down.", ServerUnavailable),
        ("[UNAVAILABLE] back soon", ServerThrottled),
        ("Too many connections from your IP", ServerThrottled),
        ("[OVERQUOTA] Account exceeded command or bandwidth limits", ServerThrottled),
        ("[AUTHENTICATIONFAILED] bye", LoginRefused),
    ],
)
def test_bye(text: str, ours: type[MunimentError]) -> None:
    """BYE ends a connection, and its code selects the error."""
    assert type(bye_error(Status.parse("BYE", text.encode()), "idle", "host:143")) is ours
