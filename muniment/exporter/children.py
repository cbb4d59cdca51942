"""Numbers of the children of a prefork pool: prometheus_client keeps them in files that the parent adds up."""

from __future__ import annotations

import os
from pathlib import Path

from muniment.metrics import FOLDER_VARIABLE


def children_folder() -> Path | None:
    """Return where children leave their numbers; None: they leave none."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return Path(folder) if folder else None


def forget_former_children() -> None:
    """Remove what an earlier worker left in the folder: counters begin at 0 with a new process."""
    folder = children_folder()
    for file in folder.glob("*.db") if folder is not None else ():
        if not file.stem.endswith(f"_{os.getpid()}"):
            file.unlink(missing_ok=True)
