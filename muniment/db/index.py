"""The index outbox, and the full-text index within PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from muniment.db.database import Session
from muniment.db.sql import load
from muniment.model.document import Document

_SQL = load("index")


@dataclass(frozen=True)
class OutboxRow:
    """A message that the index has not heard of; `is_gone`: it does not exist any more."""

    store_id: int
    message_id: int
    attempts: int
    is_gone: bool
    size: int
    subject: str
    sender: str
    recipients: str


@dataclass(frozen=True)
class HitRow:
    """A filed message that matches."""

    user_name: str
    address: str
    path: list[str]
    uid: int
    date: datetime | None
    subject: str
    sender: str
    size: int
    sha256: bytes


async def claim(session: Session, limit: int) -> list[OutboxRow]:
    """Lock and return up to `limit` due rows that no other worker has; needs a transaction."""
    return await session.rows(OutboxRow, _SQL["claim"], limit)


async def done(session: Session, rows: Sequence[OutboxRow]) -> None:
    """Take rows out of the outbox, in the transaction that indexed them."""
    await session.execute(_SQL["done"], [row.store_id for row in rows], [row.message_id for row in rows])


async def set_aside(session: Session, row: OutboxRow, error: str, seconds: float) -> None:
    """Keep a row that cannot be indexed, with its reason, for another try after `seconds`."""
    await session.execute(_SQL["set_aside"], row.store_id, row.message_id, error, seconds)


async def put_documents(session: Session, documents: Sequence[Document]) -> None:
    """Write documents into the full-text index; Unstorable when a text is too much for PostgreSQL."""
    await session.execute(
        _SQL["put_documents"],
        [document.store_id for document in documents],
        [document.message_id for document in documents],
        [document.subject for document in documents],
        [document.people for document in documents],
        [document.text for document in documents],
        [document.problem for document in documents],
    )


async def search(session: Session, query: str, user_id: int | None, limit: int) -> list[HitRow]:
    """Return the newest filed messages that match; `user_id` None: of everybody."""
    return await session.rows(HitRow, _SQL["search"], query, user_id, limit)
