"""TCP ports for test servers: no two processes of a test session get the same one."""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Iterator

# Below the ports that the product chooses from (`muniment.demo.ports`), which child processes of tests use.
_FIRST, _LAST = 10_000, 20_000
_PROCESSES = 20
_SHARE = (_LAST - _FIRST) // _PROCESSES


def free_port(count: int = 1) -> int:
    """Return the first of `count` consecutive ports of 127.0.0.1 that are free."""
    row: list[int] = []
    for port in _ports:
        row = [] if not is_free(port) else [*row, port] if row and port == row[-1] + 1 else [port]
        if len(row) == count:
            break
    return row[0]


def worker_number() -> int:
    """Return the number of this process in the test session; 0: the controller, or the only process."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw-1").removeprefix("gw")) + 1


def _endless() -> Iterator[int]:
    """Yield the ports of this process over and over, from a random one on, to avoid collisions with other sessions."""
    first = _FIRST + worker_number() % _PROCESSES * _SHARE
    number = random.randrange(_SHARE)
    while True:
        yield first + number % _SHARE
        number += 1


_ports = _endless()


def is_free(port: int) -> bool:
    """Tell whether nothing listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
