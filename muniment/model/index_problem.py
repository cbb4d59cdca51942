"""A message that is not indexed, or only partly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class IndexProblem:
    """A message that is not indexed, or only partly."""

    store_name: str
    message_id: int
    indexed: bool
    reasons: list[str]
    attempts: int
    since: datetime
    not_before: datetime | None
    sha256: bytes
    subject: str
    date: datetime | None
    size: int
