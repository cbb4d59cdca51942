"""Checks the connection to a mail server step by step: DNS, TCP to each address, TLS and the certificate."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from msgspec.structs import replace

from muniment.clock import utc_now
from muniment.errors import CertificateRejected, MunimentError
from muniment.mailserver.limits import Limits
from muniment.mailserver.starttls import Negotiation, open_connection
from muniment.mailserver.tls import fingerprint
from muniment.model.finding import Finding, failed, fine, warning
from muniment.model.profile import Server

_ATTEMPT_SECONDS = 10.0
_EXPIRES_SOON_DAYS = 14
_OLD_TLS = {"SSLv3", "TLSv1", "TLSv1.1"}


@dataclass(frozen=True)
class _Certificate:
    version: str
    subject: str
    issuer: str
    not_after: datetime
    sha256: str


async def diagnose_connection(server: Server, limits: Limits, negotiate: Negotiation) -> AsyncGenerator[Finding, None]:
    """Yield one finding per step and stop after the first step that fails; `negotiate` is what precedes STARTTLS."""
    try:
        loop = asyncio.get_running_loop()
        addresses = list(dict.fromkeys(await loop.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)))
    except OSError as error:
        yield failed(
            "DNS", f"{server.host} cannot be resolved: {error.strerror}", "Check --host and this machine's resolver."
        )
        return
    names = [address[4][0] for address in addresses]
    yield fine("DNS", f"{server.host} is {', '.join(map(str, names))}")
    attempts = await asyncio.gather(*(_connect(address) for address in addresses))
    errors = [f"{name}: {attempt}" for name, attempt in zip(names, attempts, strict=True) if isinstance(attempt, str)]
    if len(errors) == len(attempts):
        yield failed(
            "TCP",
            "; ".join(errors),
            f"Check --port ({server.port}), the firewall, and that the mail server is running.",
        )
        return
    fastest = min(attempt for attempt in attempts if isinstance(attempt, float))
    summary = f"port {server.port} answers in {fastest * 1000:.0f} ms"
    if errors:
        yield warning(
            "TCP", f"{summary}, but not at {'; '.join(errors)}", "Each connection may lose seconds on that address."
        )
    else:
        yield fine("TCP", summary)
    yield await _diagnose_tls(server, limits, negotiate)


async def _connect(address: tuple[int, int, int, str, tuple[object, ...]]) -> float | str:
    """Return the seconds that a TCP connection took, or the reason why it failed."""
    family, kind, protocol, _, sockaddr = address
    began = time.monotonic()
    with socket.socket(family, kind, protocol) as tcp:
        tcp.setblocking(False)
        try:
            async with asyncio.timeout(_ATTEMPT_SECONDS):
                await asyncio.get_running_loop().sock_connect(tcp, sockaddr)
        except TimeoutError:
            return "no answer"
        except OSError as error:
            return error.strerror or str(error)
    return time.monotonic() - began


async def _diagnose_tls(server: Server, limits: Limits, negotiate: Negotiation) -> Finding:
    if not server.access.is_protected:
        name = server.access.value
        return warning(
            "TLS", "none: passwords and mail can be read in transit", f"Use --access {name}-tls or {name}-ssl."
        )
    try:
        certificate = await _handshake(server, limits, negotiate)
    except CertificateRejected as error:
        reason, advice = str(error), error.hint
        trusting = replace(server, accept_all_certificates=True, ca_certificates="", certificate_sha256="")
        with suppress(MunimentError):
            certificate = await _handshake(trusting, limits, negotiate)
            until = f"until {certificate.not_after:%Y-%m-%d}"
            reason += f" ({certificate.subject}, issued by {certificate.issuer}, {until}, SHA-256 {certificate.sha256})"
            if not server.certificate_sha256:
                advice = _advice(certificate)
        return failed("TLS", reason, advice)
    except MunimentError as error:
        return failed("TLS", str(error), error.hint)
    return _check_certificate(server, certificate)


def _advice(certificate: _Certificate) -> str:
    return (
        "Trust the server's CA certificate with --ca-file. Or compare this fingerprint with that of the certificate on "
        f"the mail server, and trust only this one: --certificate-sha256 {certificate.sha256}. "
        "--accept-all-certificates is insecure."
    )


def _check_certificate(server: Server, certificate: _Certificate) -> Finding:
    days = (certificate.not_after - utc_now()).days
    summary = (
        f"{certificate.version}, {certificate.subject}, issued by {certificate.issuer}, "
        f"until {certificate.not_after:%Y-%m-%d} ({days} days)"
    )
    advice = ""
    if server.accept_all_certificates:
        summary += "; any certificate is accepted"
        advice = _advice(certificate)
    elif server.certificate_sha256:
        summary += "; it is the only one that is trusted"
    elif days <= _EXPIRES_SOON_DAYS:
        advice = "Renew the certificate: once it expires, nothing is archived."
    elif certificate.version in _OLD_TLS:
        advice = "Enable TLS 1.2 or newer on the server."
    return warning("TLS", summary, advice) if advice else fine("TLS", summary)


async def _handshake(server: Server, limits: Limits, negotiate: Negotiation) -> _Certificate:
    """Return the certificate that the server presents, verified as in a run; raise the same errors as connecting."""
    slot = await limits.gate.enter(server)
    transport: asyncio.Transport | None = None
    try:
        transport, _ = await open_connection(server, slot, negotiate, asyncio.Protocol)
        return _peer_certificate(transport.get_extra_info("ssl_object"))
    finally:
        if transport is not None:
            transport.abort()
        slot.release(clean=False)


def _peer_certificate(connection: ssl.SSLObject) -> _Certificate:
    certificate = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
    return _Certificate(
        connection.version() or "TLS",
        certificate.subject.rfc4514_string() or "no subject",
        certificate.issuer.rfc4514_string() or "an unnamed issuer",
        certificate.not_valid_after_utc,
        fingerprint(connection),
    )
