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


@dataclass(frozen=True)
class KeptMessage:
    """An archived message that a rule leaves on the mail server because something is wrong with it.

    `announced` and `received`: bytes that the server announces and those that it delivered, if these differ. `noted`:
    when the rule was last applied to it, by the run `run_id`.
    """

    run_id: int
    address: str
    path: list[str]
    uidvalidity: int
    uid: int
    sha256: bytes
    reason: str
    announced: int | None
    received: int | None
    noted: datetime
