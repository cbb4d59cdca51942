"""Where to put many small files that need not survive."""

from __future__ import annotations

import shutil
from pathlib import Path

_MEMORY = Path("/dev/shm")
_ENOUGH_BYTES = 4 << 30


def fast_disk() -> Path | None:
    """Return a folder in memory where there is plenty of it, else None: the system's temporary folder will do."""
    return _MEMORY if _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ENOUGH_BYTES else None
