"""What a process of Muniment is: its name wherever it shows, and what its allocator is told."""

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


def collect_garbage_seldom() -> None:
    """Have Python look for garbage in circles less often: who makes many small objects spends half of his time on it.

    What is in no circle is freed at once as ever. Measured for indexing: docs/explanation/performance.md.
    """
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
