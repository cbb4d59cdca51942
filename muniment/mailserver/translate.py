"""Translates socket and TLS errors into those of `muniment.errors`."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeAlias

from muniment.errors import CertificateRejected, MunimentError, ProtocolViolation, ServerUnavailable

_TLS_HINT = (
    "Check that --access and --port match: imap and imap-tls use 143, imap-ssl uses 993, pop3 and pop3-tls use 110, "
    "pop3-ssl uses 995."
)

Table: TypeAlias = Mapping[type[BaseException], tuple[type[MunimentError], str, str | None]]

#: Maps a foreign exception class to our class, message and hint; the most specific class wins.
TABLE: Table = {
    ssl.SSLCertVerificationError: (CertificateRejected, "the certificate of {peer} is not trusted: {error}", None),
    ssl.SSLError: (ServerUnavailable, "TLS with {peer} failed while {doing}: {error}", _TLS_HINT),
    socket.gaierror: (ServerUnavailable, "the name of {peer} cannot be resolved: {error}", None),
    ConnectionRefusedError: (ServerUnavailable, "{peer} refused the connection", None),
    ConnectionError: (ServerUnavailable, "the connection to {peer} broke while {doing}: {error}", None),
    TimeoutError: (ServerUnavailable, "{peer} did not answer in time while {doing}", None),
    OSError: (ServerUnavailable, "{peer} cannot be reached while {doing}: {error}", None),
    EOFError: (ServerUnavailable, "{peer} closed the connection while {doing}", None),
    ValueError: (ProtocolViolation, "{peer} sent something unreadable while {doing}: {error}", None),
}


def translated(error: BaseException, peer: str, doing: str, table: Table = TABLE) -> MunimentError:
    """Return our error for a foreign exception; `peer` is host:port, `doing` completes the phrase "while …"."""
    if isinstance(error, MunimentError):
        return error
    kind = next((k for k in type(error).__mro__ if k in table), None)
    if kind is None:
        return ProtocolViolation(f"{peer}: unexpected {type(error).__name__} while {doing}")
    ours, message, hint = table[kind]
    # These attributes hold plain text; str() adds error numbers and source lines.
    text = getattr(error, "verify_message", None) or getattr(error, "reason", None) or getattr(error, "strerror", None)
    return ours(message.format(peer=peer, doing=doing, error=text or error), hint=hint)


@contextmanager
def translating(peer: str, doing: str, table: Table = TABLE) -> Iterator[None]:
    """Translate foreign exceptions raised inside the block."""
    try:
        yield
    except MunimentError:
        raise
    except Exception as error:
        raise translated(error, peer, doing, table) from error
