"""Process-wide matters: the process name, and settings for memory allocation and garbage collection."""

from __future__ import annotations

import gc
import os
import socket

#: Environment for glibc, set before a worker starts; an operator's own values take precedence. By default, each thread
#: keeps the memory that it has freed. With fewer arenas, and with large blocks returned to the system, a worker that
#: archives a hundred mailboxes takes a quarter less memory (docs/explanation/performance.md).
FRUGAL_ALLOCATOR = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": str(1024 * 1024),
    "MALLOC_TRIM_THRESHOLD_": str(4 * 1024 * 1024),
}


def process_name() -> str:
    """Return `host:pid`, short enough for PostgreSQL's application_name (63 bytes)."""
    return f"{socket.gethostname()[:40]}:{os.getpid()}"


def reduce_garbage_collection() -> None:
    """Run the cyclic garbage collector less often: it takes half the time of allocation-heavy workers.

    Objects outside of reference cycles are still freed at once. Measured for indexing: docs/explanation/performance.md.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
