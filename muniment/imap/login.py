"""Logs in with LOGIN, AUTHENTICATE PLAIN, XOAUTH2 or a vendor's command.

Kerio: X-MASTERAUTH answers the server's challenge with MD5(challenge + master password) in hexadecimal, then
X-SETUSER selects the mailbox (Kerio's description in MailKit's issue 1460; imapsync does the same). Sun: PROXYAUTH
follows the LOGIN of the privileged user.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from aioimaplib.aioimaplib import AUTH

from muniment.errors import LoginUnsupported
from muniment.imap import wire
from muniment.imap.connect import refresh_capabilities
from muniment.imap.protocol import ImapProtocol
from muniment.imap.refusal import Status, command_error, login_error
from muniment.mailserver.redaction import Redactor
from muniment.mailserver.sasl import check_sendable, forms_of_password, plain_response, xoauth2_response
from muniment.model.login import Credentials, LoginKind


async def log_in(protocol: ImapProtocol, credentials: Credentials) -> LoginKind:
    """Log in with the first method that the server offers, refresh the capabilities, and return the method.

    Raises LoginRefused if the server refuses the login, LoginUnsupported if it offers none of the methods,
    and Misconfigured if a name or the password cannot be sent. From then on, the password is redacted from
    everything that the server sends on this connection.
    """
    alternatives = list(_alternatives(credentials))
    for alternative in alternatives:
        check_sendable(alternative)
    await refresh_capabilities(protocol)
    known = protocol.capabilities
    protocol.capabilities = frozenset()  # RFC 9051 §6.2.2: the login invalidates them
    chosen = _first_offered(known, alternatives, protocol.peer)
    protocol.redactor = Redactor(forms_of_password(chosen))
    protocol.capabilities = known & {"LITERAL+", "LITERAL-"}
    literals = protocol.capabilities
    status = await _send(protocol, chosen, initial_response="SASL-IR" in known)
    if not status.ok:
        user = chosen.authorize_as or chosen.user
        privileged = bool(chosen.authorize_as) or chosen.kind is LoginKind.TEMPLATE
        raise login_error(status, user, protocol.peer, privileged=privileged)
    protocol.state = AUTH
    if protocol.capabilities == literals:
        protocol.capabilities = frozenset()
    await refresh_capabilities(protocol)
    if "UTF8=ONLY" in protocol.capabilities:
        await _accept_utf8(protocol)
    return chosen.kind


async def _accept_utf8(protocol: ImapProtocol) -> None:
    """Send what a server with UTF8=ONLY insists on before it opens a folder (RFC 6855 §6)."""
    status = await protocol.run("ENABLE", [b"UTF8=ACCEPT"])
    if not status.ok:
        raise command_error(status, "ENABLE", protocol.peer)


def _alternatives(credentials: Credentials | None) -> Iterator[Credentials]:
    while credentials is not None:
        yield credentials
        credentials = credentials.instead


def _first_offered(capabilities: frozenset[str], alternatives: Sequence[Credentials], peer: str) -> Credentials:
    """Return the first login that the server offers; raise LoginUnsupported for the first one if there is none."""
    errors = []
    for alternative in alternatives:
        error = _unsupported(capabilities, alternative, peer)
        if error is None:
            return alternative
        errors.append(error)
    raise errors[0]


def _unsupported(capabilities: frozenset[str], credentials: Credentials, peer: str) -> LoginUnsupported | None:
    """Return an error if the server does not offer this login. Called before anything of it is sent."""
    match credentials.kind:
        case LoginKind.PLAIN_AUTHZID | LoginKind.XOAUTH2:
            mechanism = "PLAIN" if credentials.kind is LoginKind.PLAIN_AUTHZID else "XOAUTH2"
            if f"AUTH={mechanism}" in capabilities:
                return None
            offered = ", ".join(sorted(c for c in capabilities if c.startswith("AUTH="))) or "LOGIN"
            return LoginUnsupported(
                f"{peer} does not offer AUTH={mechanism}, only {offered}",
                hint="Many servers offer it only with TLS: try --access imap-tls, or another --login method.",
            )
        case LoginKind.X_MASTERAUTH:
            return None  # no capability announces it
        case LoginKind.LOGIN | LoginKind.TEMPLATE | LoginKind.PROXYAUTH:
            if "LOGINDISABLED" not in capabilities:
                return None
            return LoginUnsupported(
                f"{peer} disables LOGIN on this connection", hint="Use --access imap-tls or imap-ssl."
            )


async def _send(protocol: ImapProtocol, credentials: Credentials, *, initial_response: bool) -> Status:
    match credentials.kind:
        case LoginKind.PLAIN_AUTHZID:
            return await _authenticate(
                protocol, b"PLAIN", plain_response(credentials), initial_response=initial_response
            )
        case LoginKind.XOAUTH2:
            return await _authenticate(
                protocol, b"XOAUTH2", xoauth2_response(credentials), initial_response=initial_response
            )
        case LoginKind.X_MASTERAUTH:
            return await _x_masterauth(protocol, credentials)
        case LoginKind.PROXYAUTH:
            status = await _login(protocol, credentials)
            if status.ok:
                protocol.state = AUTH
                status = await protocol.run("PROXYAUTH", [wire.string(credentials.authorize_as.encode())])
            return status
        case LoginKind.LOGIN | LoginKind.TEMPLATE:
            return await _login(protocol, credentials)


async def _authenticate(protocol: ImapProtocol, mechanism: bytes, response: bytes, *, initial_response: bool) -> Status:
    """Send the mechanism's only response, together with the command if the server allows it (RFC 4959)."""
    # XOAUTH2 explains a refusal in a challenge, which requires an empty response.
    last = [b"\r\n"] if mechanism == b"XOAUTH2" else []
    if initial_response:
        return await protocol.run("AUTHENTICATE", [mechanism, response], replies=last)
    return await protocol.run("AUTHENTICATE", [mechanism], replies=[response + b"\r\n", *last])


async def _login(protocol: ImapProtocol, credentials: Credentials) -> Status:
    user, password = credentials.user.encode(), credentials.password.reveal().encode()
    return await protocol.run("LOGIN", [wire.string(user), wire.string(password)])


async def _x_masterauth(protocol: ImapProtocol, credentials: Credentials) -> Status:
    def answer(challenge: bytes) -> bytes:
        return hashlib.md5(challenge + credentials.password.reveal().encode()).hexdigest().encode() + b"\r\n"  # noqa: S324 - Kerio's choice

    status = await protocol.run("X-MASTERAUTH", replies=[answer])
    if status.result == "BAD":
        raise LoginUnsupported(
            f"{protocol.peer} does not support a master password: {status}",
            hint="Enable master authentication in Kerio, and allow it for the addresses of all workers.",
        )
    if not status.ok:
        return status
    return await protocol.run("X-SETUSER", [wire.string(credentials.authorize_as.encode())])
