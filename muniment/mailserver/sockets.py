"""TCP connections to a mail server."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any

from muniment.model.profile import Server

_NEXT_ADDRESS_SECONDS = 5.0


async def open_socket(server: Server) -> socket.socket:
    """Return a socket connected to the first address of the host that answers.

    An unresponsive address (broken IPv6) must not use up the time for the next one. asyncio's
    happy eyeballs do that too, but leak a socket if cancelled at the wrong moment.
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
    family, kind, protocol, _, sockaddr = address
    tcp = socket.socket(family, kind, protocol)
    try:
        tcp.setblocking(False)
        await asyncio.get_running_loop().sock_connect(tcp, sockaddr)
    except BaseException:
        tcp.close()
        raise
    return tcp
