"""TLS contexts for connections to mail servers, and the check of pinned certificates."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from muniment.errors import CertificateRejected
from muniment.model.profile import Server


@dataclass(frozen=True)
class _Trust:
    """The cache key of a TLS context. `stamp` is the CA bundle's modification time, so a new bundle is loaded."""

    accept_all: bool
    authorities: str
    cafile: str | None
    capath: str | None
    stamp: int


def tls_context(server: Server) -> ssl.SSLContext:
    """Return a context that verifies the server's certificate as the profile says.

    It accepts any if the profile says so, or names the only one; `check_pin` must follow in that case.
    """
    paths = ssl.get_default_verify_paths()
    stamp = Path(paths.cafile).stat().st_mtime_ns if paths.cafile else 0
    accept_all = server.accept_all_certificates or bool(server.certificate_sha256)
    return _cached_context(_Trust(accept_all, server.ca_certificates, paths.cafile, paths.capath, stamp))


@lru_cache(maxsize=16)
def _cached_context(trust: _Trust) -> ssl.SSLContext:
    """Build a context once per version of the CA bundle: parsing the bundle takes longer than a login."""
    context = ssl.create_default_context(cadata=trust.authorities or None)
    if trust.authorities:
        # The file may hold an intermediate CA, or the certificate of the server itself.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if trust.accept_all:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def check_pin(server: Server, transport: asyncio.BaseTransport) -> None:
    """Raise CertificateRejected if the profile names the only trusted certificate and the server presents another."""
    if not server.certificate_sha256 or not server.access.is_protected:
        return
    seen = fingerprint(transport.get_extra_info("ssl_object"))
    if seen != server.certificate_sha256:
        raise CertificateRejected(
            f"the certificate of {server.host}:{server.port} is another one: its SHA-256 fingerprint is {seen}, "
            f"and the profile trusts only {server.certificate_sha256}",
            hint="If the server has a new certificate, compare the fingerprint there, and give it with `profile edit "
            "NAME --set server.certificate_sha256=FINGERPRINT`. Otherwise, the connection is intercepted.",
        )


def fingerprint(connection: ssl.SSLObject) -> str:
    """Return the SHA-256 of the certificate that the peer presents, as hexadecimal digits."""
    return hashlib.sha256(connection.getpeercert(binary_form=True) or b"").hexdigest()
