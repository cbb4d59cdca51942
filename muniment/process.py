"""Process-wide matters: its name, its account, and settings for memory allocation and garbage collection."""

from __future__ import annotations

import gc
import os
import pwd
import socket
from dataclasses import dataclass
from pathlib import Path

#: Environment for glibc, set before a worker starts; an operator's own values take precedence. By default, each thread
#: keeps the memory that it has freed. With fewer arenas, and with large blocks returned to the system, a worker that
#: archives a hundred mailboxes takes a quarter less memory (docs/explanation/performance.md).
FRUGAL_ALLOCATOR = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(4 * 1024 * 1024),
}


_LOGIN_UID = Path("/proc/self/loginuid")
_NOBODY_LOGGED_IN = 2**32 - 1


@dataclass(frozen=True)
class OsIdentity:
    """What the operating system says about who runs this process.

    `os_name`: the name of the account with `os_uid`; None if it has none, as in containers. `login_uid`: the account
    that logged in, which Linux keeps across sudo and su; None for services, and where it is unknown.
    """

    os_uid: int
    os_name: str | None
    login_uid: int | None


def os_identity() -> OsIdentity:
    """Return who runs this process. Nothing of it comes from the environment, which the caller chooses."""
    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = None
    try:
        login = int(_LOGIN_UID.read_text("ascii"))
    except (OSError, ValueError):
        login = _NOBODY_LOGGED_IN
    return OsIdentity(uid, name, None if login == _NOBODY_LOGGED_IN else login)


def process_name() -> str:
    """Return `host:pid`, short enough for PostgreSQL's application_name (63 bytes)."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}"


def reduce_garbage_collection() -> None:
    """Run the cyclic garbage collector less often: it takes half the time of allocation-heavy workers.

    Objects outside of reference cycles are still freed at once. Measured for indexing: docs/explanation/performance.md.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
