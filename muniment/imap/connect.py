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
    """Return a connection after the greeting, encrypted as `server.access` says, but not logged in.

    Closing it releases its connection slot. Raises ServerBusy or BrokerUnavailable if no slot is available.
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
    """Close a connection whose setup or login failed with `error`.

    Raises ServerBusy if `error` only means that the server's connection limit is reached.
    """
    was_closed = protocol.is_closed
    protocol.abort()
    try:
        unresolved = isinstance(error.__cause__, socket.gaierror)
        if isinstance(error, ServerThrottled) or (
            isinstance(error, ServerUnavailable) and was_closed and not unresolved
        ):
            replacement = await protocol.slot.report_refusal(error)
            if replacement is not None:
                raise replacement from error
    finally:
        if protocol.transport is None:
            protocol.slot.release(clean=False)


async def _connect(server: Server, protocol: ImapProtocol, context: ssl.SSLContext | None) -> None:
    loop = asyncio.get_running_loop()
    tcp = await open_socket(server)
    hostname = server.host if context is not None else None
    await loop.create_connection(lambda: protocol, sock=tcp, ssl=context, server_hostname=hostname)


async def refresh_capabilities(protocol: ImapProtocol) -> None:
    """Send CAPABILITY, unless the server has announced its capabilities since the connection's state changed."""
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
