"""Connecting: TCP, implicit TLS or STARTTLS, and the greeting."""

from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from muniment.errors import LoginUnsupported, ServerThrottled, ServerUnavailable
from muniment.imap.limits import Limits
from muniment.imap.protocol import ImapProtocol
from muniment.imap.refusal import command_error
from muniment.imap.translate import translating
from muniment.model.profile import Access, Server

_NEXT_ADDRESS_SECONDS = 5.0


async def connect(server: Server, limits: Limits) -> ImapProtocol:
    """Return a connection that has been greeted, is protected as `server.access` says, and is not logged in.

    Its permit is given back when it is closed. ServerBusy or BrokerUnavailable when there is none to be had.
    """
    peer = f"{server.host}:{server.port}"
    context = tls_context(server) if server.access.is_protected else None
    permit = await limits.gate.enter(server)
    protocol = ImapProtocol(peer, server.timeout_seconds, limits, permit)
    try:
        with translating(peer, "connecting"):
            async with asyncio.timeout(server.timeout_seconds):
                await _connect(server, protocol, context if server.access is Access.IMAP_SSL else None)
        await protocol.greeting()
        if context is not None and server.access is Access.IMAP_TLS:
            await _start_tls(protocol, context, server.host)
    except BaseException as error:
        await drop(protocol, error)
        raise
    return protocol


async def drop(protocol: ImapProtocol, error: BaseException) -> None:
    """End a connection on which nobody could log in.

    Raises ServerBusy when `error` only shows how many connections the server allows.
    """
    is_cut = protocol.is_cut
    protocol.abort()
    try:
        unnamed = isinstance(error.__cause__, socket.gaierror)
        if isinstance(error, ServerThrottled) or (isinstance(error, ServerUnavailable) and is_cut and not unnamed):
            instead = await protocol.permit.refused(error)
            if instead is not None:
                raise instead from error
    finally:
        if protocol.transport is None:
            protocol.permit.release(clean=False)


async def _connect(server: Server, protocol: ImapProtocol, context: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    tcp = await open_socket(server)
    hostname = server.host if context is not None else None
    await loop.create_connection(lambda: protocol, sock=tcp, ssl=context, server_hostname=hostname)


async def open_socket(server: Server) -> socket.socket:
    """Return a socket to the first address of the host that answers.

    An address that is silent (IPv6 that leads nowhere) must not use up the time of the next. The
    loop's own happy eyeballs would, but lose a socket when cancelled in the wrong moment.
    """
    loop = asyncio.get_running_loop()
    addresses = await loop.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
    *others, last = addresses
    for address in others:
        with suppress(OSError):
            async with asyncio.timeout(_NEXT_ADDRESS_SECONDS):
                return await _socket_to(address)
    return await _socket_to(last)


async def _socket_to(address: tuple[int, int, int, str, tuple[Any, ...]]) -> socket.socket:
    family, kind, protocol, _, where = address
    tcp = socket.socket(family, kind, protocol)
    try:
        tcp.setblocking(False)
        await asyncio.get_running_loop().sock_connect(tcp, where)
    except BaseException:
        tcp.close()
        raise
    return tcp


async def refresh_capabilities(protocol: ImapProtocol) -> None:
    """Ask what the server can do, unless it has said so since the connection changed."""
    if not protocol.capabilities:
        status = await protocol.run("CAPABILITY")
        if not status.ok:
            raise command_error(status, "CAPABILITY", protocol.peer)


async def _start_tls(protocol: ImapProtocol, context: ssl.SSLContext, host: str) -> None:
    await refresh_capabilities(protocol)
    if "STARTTLS" not in protocol.capabilities:
        raise LoginUnsupported(
            f"{protocol.peer} does not offer STARTTLS", hint="Use --access imap-ssl, or imap without encryption."
        )
    with translating(protocol.peer, "starting TLS"):
        status = await protocol.start_tls(context, host)
    if not status.ok:
        raise command_error(status, "STARTTLS", protocol.peer)


@dataclass(frozen=True)
class _Trust:
    """What a TLS context is made of; a new CA bundle has another time stamp."""

    accept_all: bool
    cafile: str | None
    capath: str | None
    stamp: int


def tls_context(server: Server) -> ssl.SSLContext:
    """Return what checks the server's certificate, or accepts any, as the profile says."""
    paths = ssl.get_default_verify_paths()
    stamp = Path(paths.cafile).stat().st_mtime_ns if paths.cafile else 0
    return _cached_context(_Trust(server.accept_all_certificates, paths.cafile, paths.capath, stamp))


@lru_cache(maxsize=4)
def _cached_context(trust: _Trust) -> ssl.SSLContext:
    """Build a context once per state of the CA bundle: parsing it takes longer than a login."""
    context = ssl.create_default_context()
    if trust.accept_all:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
