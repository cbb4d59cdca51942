"""A message that could not be archived."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Quarantined:
    """A message that could not be archived."""

    user_name: str
    address: str
    path: list[str]
    uid: int
    reason: str
    first_seen: datetime
    last_tried: datetime
    attempts: int
