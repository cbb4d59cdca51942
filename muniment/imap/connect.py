"""Connecting: TCP, implicit TLS or STARTTLS, and the greeting."""

from __future__ import annotations

import asyncio
import socket
import ssl

from muniment.errors import LoginUnsupported, ServerThrottled, ServerUnavailable
from muniment.imap.protocol import ImapProtocol
from muniment.imap.refusal import command_error
from muniment.imap.translate import translating
from muniment.mailserver.limits import Limits
from muniment.mailserver.sockets import open_socket
from muniment.mailserver.tls import tls_context
from muniment.model.profile import Access, Server


async def connect(server: Server, limits: Limits) -> ImapProtocol:
    """Return a connection that has been greeted, is protected as `server.access` says, and is not logged in.

    Its slot is given back when it is closed. ServerBusy or BrokerUnavailable when there is none to be had.
    """
    peer = f"{server.host}:{server.port}"
    context = tls_context(server) if server.access.is_protected else None
    slot = await limits.gate.enter(server)
    protocol = ImapProtocol(peer, server.timeout_seconds, limits, slot)
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
            instead = await protocol.slot.refused(error)
            if instead is not None:
                raise instead from error
    finally:
        if protocol.transport is None:
            protocol.slot.release(clean=False)


async def _connect(server: Server, protocol: ImapProtocol, context: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    tcp = await open_socket(server)
    hostname = server.host if context is not None else None
    await loop.create_connection(lambda: protocol, sock=tcp, ssl=context, server_hostname=hostname)


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
