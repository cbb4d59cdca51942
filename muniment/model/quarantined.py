"""A message that could not be archived, or for which the server delivered something else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Quarantined:
    """A message in quarantine.

    `substitute`: what the server delivered in its place, which is archived with the hash `sha256`; empty: nothing.
    `size`: how many bytes can be exported; None: there are none. `retry`: an administrator wants the next run to try it
    again. `accepted`: since when an administrator, `accepted_by`, accepts that it is missing, for the reason in
    `acceptance`.
    """

    id: int
    user_name: str
    address: str
    path: list[str]
    uidvalidity: int
    uid: int
    reason: str
    first_seen: datetime
    last_tried: datetime
    attempts: int
    substitute: str
    sha256: bytes | None
    size: int | None
    retry: bool
    accepted: datetime | None
    accepted_by: str | None
    acceptance: str | None

    @property
    def place(self) -> str:
        """The mailbox, the folder and the UID, for people."""
        return f"{'/'.join((self.address, *self.path))} UID {self.uid}"


@dataclass(frozen=True)
class QuarantineChoice:
    """Which messages in quarantine: those with these `ids`, or (without ids) those that match everything else.

    `address`: of this mailbox. `substitutes`: only those in place of which something else was delivered.
    """

    ids: Sequence[int] = ()
    address: str | None = None
    substitutes: bool = False


#: All messages in quarantine.
EVERYTHING = QuarantineChoice()
