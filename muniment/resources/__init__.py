"""Opens the resources of a process, as many as it needs, in order, and closes them in reverse order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muniment.lazily import lazily

if TYPE_CHECKING:
    from muniment.resources.database_only import (
        open_database_as_administrator,
        open_database_as_owner,
        open_database_only,
    )
    from muniment.resources.everything import open_resources
    from muniment.resources.reading import open_for_reading
    from muniment.resources.watching import open_for_watching

__all__ = [
    "open_database_as_administrator",
    "open_database_as_owner",
    "open_database_only",
    "open_for_reading",
    "open_for_watching",
    "open_resources",
]

__getattr__ = lazily(
    __name__,
    {
        "open_database_as_administrator": "database_only",
        "open_database_as_owner": "database_only",
        "open_database_only": "database_only",
        "open_for_reading": "reading",
        "open_for_watching": "watching",
        "open_resources": "everything",
    },
)
