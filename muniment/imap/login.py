"""Logging in: AUTHENTICATE PLAIN with an authorization identity, and LOGIN."""

from __future__ import annotations

import base64

from aioimaplib.aioimaplib import AUTH

from muniment.errors import LoginUnsupported, Misconfigured
from muniment.imap import wire
from muniment.imap.connect import refresh_capabilities
from muniment.imap.protocol import ImapProtocol
from muniment.imap.redaction import Redactor
from muniment.imap.refusal import Status, login_error
from muniment.model.login import Credentials, LoginKind

_FORBIDDEN = ("\0", "\r", "\n")


async def log_in(protocol: ImapProtocol, credentials: Credentials) -> None:
    """Log in, and learn what the server can do for this user.

    LoginRefused when the server says no, LoginUnsupported when it does not offer this way,
    Misconfigured when a name or the password cannot be sent at all. From here on, nothing that the
    server says on this connection shows the password.
    """
    _check(credentials)
    await refresh_capabilities(protocol)
    known = protocol.capabilities
    protocol.capabilities = frozenset()  # RFC 9051 §6.2.2: what was said before the login is void
    wanted = _sendable(known, credentials, protocol.peer)
    protocol.redactor = Redactor(_forms(credentials))
    protocol.capabilities = known & {"LITERAL+", "LITERAL-"}
    literals = protocol.capabilities
    if wanted is LoginKind.PLAIN_AUTHZID:
        status = await _authenticate_plain(protocol, credentials, initial_response="SASL-IR" in known)
    else:
        status = await _login(protocol, credentials)
    if not status.ok:
        user = credentials.authorize_as or credentials.user
        privileged = bool(credentials.authorize_as) or credentials.kind is LoginKind.TEMPLATE
        raise login_error(status, user, protocol.peer, privileged=privileged)
    protocol.state = AUTH
    if protocol.capabilities == literals:
        protocol.capabilities = frozenset()
    await refresh_capabilities(protocol)


def _sendable(capabilities: frozenset[str], credentials: Credentials, peer: str) -> LoginKind:
    """Return the kind of login if the server offers it."""
    if credentials.kind is LoginKind.PLAIN_AUTHZID and "AUTH=PLAIN" not in capabilities:
        offered = ", ".join(sorted(c for c in capabilities if c.startswith("AUTH="))) or "nothing but LOGIN"
        raise LoginUnsupported(
            f"{peer} does not offer AUTH=PLAIN, only {offered}",
            hint="Many servers offer it only with TLS: try --access imap-tls; or another --login method.",
        )
    if credentials.kind is not LoginKind.PLAIN_AUTHZID and "LOGINDISABLED" in capabilities:
        raise LoginUnsupported(
            f"{peer} has LOGIN disabled on this connection", hint="Use --access imap-tls or imap-ssl."
        )
    return credentials.kind


async def _authenticate_plain(protocol: ImapProtocol, credentials: Credentials, *, initial_response: bool) -> Status:
    response = _plain(credentials)  # RFC 4616 §2
    if initial_response:  # RFC 4959
        return await protocol.run("AUTHENTICATE", [b"PLAIN", response])
    return await protocol.run("AUTHENTICATE", [b"PLAIN"], replies=[response + b"\r\n"])


async def _login(protocol: ImapProtocol, credentials: Credentials) -> Status:
    user, password = credentials.user.encode(), credentials.password.reveal().encode()
    return await protocol.run("LOGIN", [wire.string(user), wire.string(password)])


def _plain(credentials: Credentials) -> bytes:
    parts = (credentials.authorize_as, credentials.user, credentials.password.reveal())
    return base64.b64encode("\0".join(parts).encode())


def _check(credentials: Credentials) -> None:
    named = {
        "the login name": credentials.user,
        "the mailbox's address": credentials.authorize_as,
        "the password": credentials.password.reveal(),
    }
    for name, text in named.items():
        if any(c in text for c in _FORBIDDEN):
            raise Misconfigured(f"{name} holds a line break or a NUL character", hint="Check the file it came from.")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Misconfigured(f"{name} is not valid text", hint="Check the file's encoding.") from None


def _forms(credentials: Credentials) -> list[bytes]:
    """Return every form in which a server may repeat the password: as it is, quoted, in base64."""
    password = credentials.password.reveal()
    clear = [text.encode() for text in (password, password.upper(), password.lower())]
    return [
        *clear,
        *(form.replace(b"\\", b"\\\\").replace(b'"', b'\\"') for form in clear),
        password.encode("latin-1", "replace"),  # a server that does not speak UTF-8 in its messages
        base64.b64encode(clear[0]).rstrip(b"="),
        _plain(credentials).rstrip(b"="),
    ]
