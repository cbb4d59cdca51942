"""A user, who owns an archive."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class User:
    """A Muniment user; the first address is the primary one.

    `privileges`: what he may do; `own_archive`: what he may do there.
    """

    id: int
    name: str
    addresses: list[str]
    privileges: list[str]
    own_archive: list[str]
