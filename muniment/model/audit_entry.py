"""An entry of the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What became of an act; the values are stored. `BEGUN` is followed by another row, unless the process died."""

    BEGUN = "begun"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True)
class AuditEntry:
    """One act, and what became of it (`Outcome`).

    For a change, `before` is None for a creation, and `after` for a removal. `details`: what was asked for, or why it
    failed. `who` is the acting account; `os_uid`, `os_name` and `login_uid` (who logged in, kept across sudo) are what
    the operating system says about the process. `claimed` is what the caller claims, and proves nothing. `role` and
    `client` are what PostgreSQL knows. Rows of earlier versions lack all of these.
    """

    id: int
    at: datetime
    who: str
    action: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    outcome: str = Outcome.DONE
    details: dict[str, Any] | None = None
    os_uid: int | None = None
    os_name: str | None = None
    login_uid: int | None = None
    claimed: str | None = None
    role: str | None = None
    client: str | None = None
