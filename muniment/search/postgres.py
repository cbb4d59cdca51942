"""The embedded index: PostgreSQL full-text search."""

from __future__ import annotations

from collections.abc import Sequence

from muniment.db import index
from muniment.db.database import Session
from muniment.errors import Unstorable
from muniment.model.document import Document
from muniment.search.port import Hit, IndexFailure


class PostgresIndex:
    """Documents as tsvector rows beside the messages."""

    async def put(self, session: Session, documents: Sequence[Document]) -> list[IndexFailure]:
        """Index all documents with one statement; when one is refused, find it by trying each alone."""
        try:
            async with session.transaction():  # a savepoint
                await index.put_documents(session, documents)
        except Unstorable as error:
            if len(documents) == 1:
                return [IndexFailure(documents[0], str(error))]
            failures = [await self.put(session, [document]) for document in documents]
            return [failure for found in failures for failure in found]
        return []

    async def search(self, session: Session, query: str, *, user_id: int | None, limit: int) -> list[Hit]:
        """Words are joined by AND; "phrases", OR and -not as in web search engines."""
        rows = await index.search(session, query, user_id, limit)
        return [
            Hit(r.user_name, (r.address, *r.path), r.uid, r.date, r.subject, r.sender, r.size, r.sha256) for r in rows
        ]
