"""A place for many small files that need not survive."""

from __future__ import annotations

import shutil
from pathlib import Path

_MEMORY = Path("/dev/shm")
_ENOUGH_BYTES = 4 << 30


def fast_disk() -> Path | None:
    """Return a folder in memory if there is plenty of it, else None, meaning the system's temporary folder."""
    return _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ENOUGH_BYTES else None
