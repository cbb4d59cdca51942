"""The way to a mail server, step by step: its name, TCP to each of its addresses, TLS and the certificate."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from cryptography import x509

from muniment.clock import utc_now
from muniment.errors import CertificateRejected, MunimentError
from muniment.mailserver.limits import Limits
from muniment.mailserver.tls import tls_context
from muniment.mailserver.translate import translated
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


async def diagnose_way(server: Server, limits: Limits) -> AsyncGenerator[Finding, None]:
    """Yield what is found on the way to a server, up to the first step that fails."""
    try:
        loop = asyncio.get_running_loop()
        addresses = list(dict.fromkeys(await loop.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)))
    except OSError as error:
        yield failed(
            "DNS", f"{server.host} cannot be resolved: {error.strerror}", "Check --host, and this machine's resolver."
        )
        return
    names = [address[4][0] for address in addresses]
    yield fine("DNS", f"{server.host} is {', '.join(map(str, names))}")
    tried = await asyncio.gather(*(_connect(address) for address in addresses))
    silent = [f"{name}: {told}" for name, told in zip(names, tried, strict=True) if isinstance(told, str)]
    if len(silent) == len(tried):
        yield failed(
            "TCP", "; ".join(silent), f"Check --port ({server.port}), the firewall, and that the mail server runs."
        )
        return
    fastest = min(told for told in tried if isinstance(told, float))
    found = f"port {server.port} answers in {fastest * 1000:.0f} ms"
    if silent:
        yield warning(
            "TCP", f"{found}, but not at {'; '.join(silent)}", "Each connection may lose seconds at that address."
        )
    else:
        yield fine("TCP", found)
    yield await _diagnose_tls(server, limits)


async def _connect(address: tuple[int, int, int, str, tuple[object, ...]]) -> float | str:
    """Return how long a TCP connection took, or why there is none."""
    family, kind, protocol, _, where = address
    began = time.monotonic()
    with socket.socket(family, kind, protocol) as tcp:
        tcp.setblocking(False)
        try:
            async with asyncio.timeout(_ATTEMPT_SECONDS):
                await asyncio.get_running_loop().sock_connect(tcp, where)
        except TimeoutError:
            return "no answer"
        except OSError as error:
            return error.strerror or str(error)
    return time.monotonic() - began


async def _diagnose_tls(server: Server, limits: Limits) -> Finding:
    if not server.access.is_protected:
        name = server.access.value
        return warning(
            "TLS", "none: passwords and mail can be read on the way", f"Use --access {name}-tls or {name}-ssl."
        )
    try:
        shown = await _handshake(server, limits)
    except CertificateRejected as error:
        told = str(error)
        with suppress(MunimentError):
            shown = await _handshake(replace(server, accept_all_certificates=True), limits)
            told += f" ({shown.subject}, issued by {shown.issuer}, until {shown.not_after:%Y-%m-%d})"
        return failed("TLS", told, error.hint)
    except MunimentError as error:
        return failed("TLS", str(error), error.hint)
    return _judged(server, shown)


def _judged(server: Server, shown: _Certificate) -> Finding:
    days = (shown.not_after - utc_now()).days
    found = (
        f"{shown.version}, {shown.subject}, issued by {shown.issuer}, until {shown.not_after:%Y-%m-%d} ({days} days)"
    )
    advice = ""
    if server.accept_all_certificates:
        found, advice = f"{found}; any certificate is accepted", "Install the server's CA, and leave that option out."
    elif days <= _EXPIRES_SOON_DAYS:
        advice = "Renew the certificate: with an expired one nothing is archived."
    elif shown.version in _OLD_TLS:
        advice = "Let the server speak TLS 1.2 or newer."
    return warning("TLS", found, advice) if advice else fine("TLS", found)


async def _handshake(server: Server, limits: Limits) -> _Certificate:
    """Return what the server shows; the certificate is verified as in a run. Raises what connecting raises."""
    peer = f"{server.host}:{server.port}"
    context = tls_context(server)
    slot = await limits.gate.enter(server)
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(server.timeout_seconds):
            implicit = server.access.is_implicit_tls
            reader, writer = await asyncio.open_connection(
                server.host,
                server.port,
                ssl=context if implicit else None,
                server_hostname=server.host if implicit else None,
            )
            if not implicit:
                await reader.readline()
                writer.write(b"STLS\r\n" if server.access.is_pop3 else b"a STARTTLS\r\n")
                answer = b""
                while not answer.startswith((b"a ", b"+OK", b"-ERR")):
                    answer = await reader.readline()
                    if not answer:
                        raise EOFError
                if not answer.startswith((b"a OK", b"+OK")):
                    raise ssl.SSLError(0, "the server does not offer it")
                await writer.start_tls(context, server_hostname=server.host)
        return _shown(writer.get_extra_info("ssl_object"))
    except Exception as error:
        raise translated(error, peer, "starting TLS") from error
    finally:
        if writer is not None:
            writer.transport.abort()
        slot.release(clean=False)


def _shown(connection: ssl.SSLObject) -> _Certificate:
    certificate = x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")
    return _Certificate(
        connection.version() or "TLS",
        certificate.subject.rfc4514_string() or "no subject",
        certificate.issuer.rfc4514_string() or "nobody",
        certificate.not_valid_after_utc,
    )
