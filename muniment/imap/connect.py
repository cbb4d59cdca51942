"""Connecting, up to the greeting, and the server's capabilities."""

from __future__ import annotations

import socket

from muniment.errors import ServerThrottled, ServerUnavailable
from muniment.imap.protocol import ImapProtocol
from muniment.imap.refusal import command_error
from muniment.imap.starttls import negotiate_starttls
from muniment.mailserver.limits import Limits
from muniment.mailserver.starttls import open_connection
from muniment.model.profile import Server


async def connect(server: Server, limits: Limits) -> ImapProtocol:
    """Return a connection after the greeting, encrypted as `server.access` says, but not logged in.

    Closing it releases its connection slot. Raises ServerBusy or BrokerUnavailable if no slot is available.
    """
    peer = f"{server.host}:{server.port}"
    slot = await limits.gate.enter(server)
    is_greeted = server.access.is_starttls
    protocol = ImapProtocol(peer, server.timeout_seconds, limits, slot, is_greeted=is_greeted)
    try:
        await open_connection(server, slot, negotiate_starttls, lambda: protocol)
        await protocol.greeting()
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


async def refresh_capabilities(protocol: ImapProtocol) -> None:
    """Send CAPABILITY, unless the server has announced its capabilities since the connection's state changed."""
    if not protocol.capabilities:
        status = await protocol.run("CAPABILITY")
        if not status.ok:
            raise command_error(status, "CAPABILITY", protocol.peer)
