"""Free TCP ports for private servers."""

from __future__ import annotations

import random
import socket

# Below Linux's ephemeral ports (from 32768), so that no outgoing connection takes the port meanwhile.
_PORTS = range(20_000, 32_000)
_ATTEMPTS = 200


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port of `host` that is currently unused."""
    for port in random.sample(_PORTS, _ATTEMPTS):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port on {host} in {_ATTEMPTS} attempts")
