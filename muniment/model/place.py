"""A place where a message is, or was, archived."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Place:
    """A message at one place. `gone`: it left it on the server; `former`: it is archived at another one by now.

    `deleted`: by a rule of ours.
    """

    store_id: int
    message_id: int
    size: int
    subject: str
    sender: str
    date: datetime | None
    user_name: str
    address: str
    path: list[str]
    uidvalidity: int
    uid: int
    internal_date: datetime | None
    flags: list[str]
    wrapper_begin: bytes | None
    archived: datetime
    gone: datetime | None
    former: bool
    deleted: datetime | None
