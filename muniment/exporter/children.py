"""Metrics of a prefork pool's children: prometheus_client stores them in files that the parent aggregates."""

from __future__ import annotations

import os
from pathlib import Path

from muniment.metrics import FOLDER_VARIABLE


def children_folder() -> Path | None:
    """Return the folder where children store their metrics; None if they do not."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return Path(folder) if folder else None


def remove_stale_metrics() -> None:
    """Remove the files of an earlier worker, because the counters of a new process start at 0."""
    folder = children_folder()
    for file in folder.glob("*.db") if folder is not None else ():
        if not file.stem.endswith(f"_{os.getpid()}"):
            file.unlink(missing_ok=True)
