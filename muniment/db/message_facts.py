"""What the index needs to know about messages besides their bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from muniment.db.database import Session
from muniment.db.sql import load

_SQL = load("message_facts")


@dataclass(frozen=True)
class Facts:
    """What is stored about a message, and where it is filed."""

    store_id: int
    message_id: int
    sha256: bytes
    size: int
    archived: datetime
    header_id: str
    subject: str
    sender: str
    recipients: str
    date: datetime | None
    archives: list[int]
    folders: list[int]
    flags: list[str]
    is_filed: bool
    received: datetime | None
    delivered: list[str]


async def find(session: Session, messages: Sequence[tuple[int, int]]) -> list[Facts]:
    """Return the facts about messages (store, id); none for a message that does not exist."""
    stores, ids = [store for store, _ in messages], [message for _, message in messages]
    return await session.rows(Facts, _SQL["find"], stores, ids)
