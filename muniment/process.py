"""How this process is called wherever it shows: in leases, reports and PostgreSQL's list of sessions."""

from __future__ import annotations

import os
import socket


def process_name() -> str:
    """Return `host:pid`, short enough for PostgreSQL's application_name (63 bytes)."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}"
