"""Process-wide matters: the process name, and settings for memory allocation and garbage collection."""

from __future__ import annotations

import gc
import os
import socket

#: For glibc, before a worker begins (an operator's own values win). Each of its threads would keep freed memory to
#: itself; with few arenas, and with large blocks given back to the system, a worker over a hundred mailboxes takes a
#: quarter less (docs/explanation/performance.md).
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

    What is in no circle is freed at once as ever. Measured for indexing: docs/explanation/performance.md.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
