"""What services need of a search index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from muniment.db.database import Session
from muniment.model.document import Document


@dataclass(frozen=True)
class IndexFailure:
    """A document that the index refused, and why."""

    document: Document
    reason: str


@dataclass(frozen=True)
class Hit:
    """A filed message that matches a query."""

    user: str
    folder: tuple[str, ...]  # the mailbox's address, then the server's path
    uid: int
    date: datetime | None
    subject: str
    sender: str
    size: int
    sha256: bytes


class SearchIndex(Protocol):
    """A derived index: it can be thrown away and rebuilt from the store."""

    async def put(self, session: Session, documents: Sequence[Document]) -> list[IndexFailure]:
        """Index documents, replacing older versions; return those refused.

        `session` is the transaction that takes the messages out of the outbox; an index
        within PostgreSQL writes in it, another one may ignore it.
        """
        ...

    async def search(self, session: Session, query: str, *, user_id: int | None, limit: int) -> list[Hit]:
        """Return the newest filed messages that match; `user_id` None searches all archives."""
        ...
