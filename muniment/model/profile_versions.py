"""Versions of the stored form of a profile, and how older ones are upgraded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from muniment.errors import Misconfigured

#: A stored profile: JSON values, in the form of `ProfileSettings` without name and kind.
Stored = Mapping[str, Any]

#: The version that this code writes.
SCHEMA_VERSION = 1

#: By version, the function that upgrades a document to the next version. A new field with a default needs none. A field
#: that is renamed, moved or removed needs one, and so does a changed default: stored profiles must keep their meaning.
UPGRADES: dict[int, Callable[[Stored], Stored]] = {}


def upgraded(stored: Stored, version: int) -> Stored:
    """Return a stored profile in the current form; Misconfigured if a newer version of Muniment wrote it."""
    if version > SCHEMA_VERSION:
        raise Misconfigured(
            f"a newer version of Muniment wrote this profile (schema version {version}, known is {SCHEMA_VERSION})",
            hint="Restart the processes of the older version with the newer one.",
        )
    for step in range(version, SCHEMA_VERSION):
        stored = UPGRADES[step](stored)
    return stored
