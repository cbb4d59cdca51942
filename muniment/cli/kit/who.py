"""Who gives a command, for the audit log."""

from __future__ import annotations

import getpass
import os
import socket


def who() -> str:
    """Return `user@host`, of the one who became root by sudo where that is known."""
    try:
        user = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in containers
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
