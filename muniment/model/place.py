"""A place: a folder in which a message is or was archived."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from muniment.model.flags import FlagChange


@dataclass(frozen=True)
class Place:
    """A message in one folder.

    `gone`: when the message left this folder on the server. `former`: it is now archived in another folder.
    `deleted`: when a profile's rule deleted it on the server. `substitute`: what it is, if the server delivered it in
    place of another message. `announced`: the size that the server announced, if it delivered another one.
    `flag_changes`: how its flags became what they are.
    """

    store_id: int
    message_id: int
    folder_id: int
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
    substitute: str | None = None
    announced: int | None = None
    flag_changes: tuple[FlagChange, ...] = field(default=(), metadata={"joined": True})  # from a query of its own
