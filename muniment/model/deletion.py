"""A message that a deletion rule took from a mail server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Deletion:
    """A message that a rule took from a mail server; `deleted` None: nobody has seen yet that it is gone."""

    id: int
    run_id: int
    address: str
    path: list[str]
    uidvalidity: int
    uid: int
    sha256: bytes
    planned: datetime
    deleted: datetime | None
