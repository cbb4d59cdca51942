"""SASL responses, and the checks of names and passwords that IMAP and POP3 logins share."""

from __future__ import annotations

import base64

from muniment.errors import Misconfigured
from muniment.model.login import Credentials

_FORBIDDEN = ("\0", "\1", "\r", "\n")


def plain_response(credentials: Credentials) -> bytes:
    """Return the SASL PLAIN message (RFC 4616 §2) in base64."""
    parts = (credentials.authorize_as, credentials.user, credentials.password.reveal())
    return base64.b64encode("\0".join(parts).encode())


def xoauth2_response(credentials: Credentials) -> bytes:
    """Return the XOAUTH2 client response of Google and Microsoft; the password is an access token."""
    response = f"user={credentials.user}\1auth=Bearer {credentials.password.reveal()}\1\1"
    return base64.b64encode(response.encode())


def check_sendable(credentials: Credentials) -> None:
    """Raise Misconfigured if a name or the password cannot be sent: a line break would start another command."""
    named = {
        "the login name": credentials.user,
        "the mailbox's address": credentials.authorize_as,
        "the password": credentials.password.reveal(),
    }
    for name, text in named.items():
        if any(c in text for c in _FORBIDDEN):
            raise Misconfigured(
                f"{name} contains a line break or a control character", hint="Check the file it came from."
            )
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Misconfigured(f"{name} is not valid text", hint="Check the file's encoding.") from None


def forms_of_password(credentials: Credentials) -> list[bytes]:
    """Return every form in which a server may echo the password: verbatim, quoted, in base64."""
    password = credentials.password.reveal()
    clear = [text.encode() for text in (password, password.upper(), password.lower())]
    return [
        *clear,
        *(form.replace(b"\\", b"\\\\").replace(b'"', b'\\"') for form in clear),
        password.encode("latin-1", "replace"),  # a server that does not send UTF-8 text
        base64.b64encode(clear[0]).rstrip(b"="),
        plain_response(credentials).rstrip(b"="),
        xoauth2_response(credentials).rstrip(b"="),
    ]
