"""A message that a deletion rule deleted on a mail server."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Deletion:
    """A message that a rule deleted on a mail server; `deleted` is None until the deletion is confirmed."""

    id: int
    run_id: int
    address: str
    path: list[str]
    uidvalidity: int
    uid: int
    sha256: bytes
    planned: datetime
    deleted: datetime | None
