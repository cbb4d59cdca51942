"""Identifies the person who runs a command, for the audit log."""

from __future__ import annotations

import os
import socket

from muniment.process import os_identity

#: Variables in which programs and shells name the person; each can be set to anything.
_CLAIMS = ("SUDO_USER", "DOAS_USER", "LOGNAME", "USER")
_LONGEST_CLAIM = 200


def who() -> str:
    """Return `account@host` of the account that runs this process, which the environment cannot change."""
    me = os_identity()
    return f"{me.os_name or f'uid {me.os_uid}'}@{socket.gethostname()}"


def claimed() -> str | None:
    """Return the other name that the environment claims, such as that of the person who called sudo; None: no claim."""
    account = os_identity().os_name
    claims = (os.environ.get(name) for name in _CLAIMS)
    return next((claim[:_LONGEST_CLAIM] for claim in claims if claim and claim != account), None)
