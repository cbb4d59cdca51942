"""A user, the owner of an archive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class User:
    """A Muniment user; the first address is the primary one.

    `privileges`: what the user may do; `own_archive`: the user's rights in their own archive. `removed`: when the user
    was removed; a removed user has no addresses and cannot log in, but the archive remains.
    """

    id: int
    name: str
    addresses: list[str]
    privileges: list[str]
    own_archive: list[str]
    removed: datetime | None = None
