"""Identifies the person who runs a command, for the audit log."""

from __future__ import annotations

import getpass
import os
import socket


def who() -> str:
    """Return `user@host`; under sudo, the user who called it."""
    try:
        user = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in containers
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
