"""The embedded index: PostgreSQL full-text search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

from muniment.db import documents
from muniment.db.database import Session
from muniment.db.documents import Condition, DocumentRow, placeholder
from muniment.errors import Unstorable
from muniment.model.document import Document
from muniment.search.port import FACET_VALUES, Change, Facet, IndexFailure, Match, Matches, Request, Sort, Target
from muniment.search.sql import condition, score
from muniment.search.vectors import Vectors, vectors

_CUT = "more different words than PostgreSQL takes: the last ones are not indexed"


class PostgresIndex:
    """Documents as rows beside the messages. A rebuild writes over them: each is replaced within a transaction."""

    backend = "postgresql"

    async def prepare(self, targets: Sequence[Target]) -> None:
        """Do nothing: migrations and new stores make the tables."""

    async def apply(self, session: Session, targets: Sequence[Target], changes: Sequence[Change]) -> list[IndexFailure]:
        """Write all documents with one statement; when one is refused, find it by trying each alone."""
        generations = {target.store_id: target.building or target.live for target in targets}
        gone = [(one.store_id, one.message_id) for one in changes if one.document is None]
        if gone:
            await documents.drop(session, gone)
        rows: list[DocumentRow] = []
        cut: list[IndexFailure] = []
        for change in changes:
            if change.document is None:
                continue
            words = vectors(change.document)
            rows.append(_row(change, change.document, words, generations[change.store_id]))
            if words.is_cut:
                cut.append(IndexFailure(change.store_id, change.message_id, _CUT, indexed=True))
        refused = await _put(session, rows) if rows else []
        return [*cut, *refused]

    async def search(self, session: Session, request: Request) -> Matches:
        """Find messages; a page, the count and the facets are a query each."""
        where = condition(request)
        by = score(request, len(where.arguments)) if request.sort is Sort.RELEVANCE else None
        after = _after(request, len(where.arguments) + (len(by.arguments) if by else 0))
        page = await documents.find(session, where, by, after, request.limit)
        facets = await documents.facets(session, where, request.folders, FACET_VALUES) if request.facets else {}
        return Matches(
            [Match(one.store_id, one.message_id, one.score, one.date) for one in page],
            await documents.count_matches(session, where),
            {Facet(kind): values for kind, values in facets.items()},
        )

    async def count(self, session: Session, target: Target) -> int:
        """Count the documents of a store."""
        return await documents.count(session, target.store_id)

    async def ids(self, session: Session, target: Target, after: int, limit: int) -> list[int]:
        """Return the next ids of a store's messages that are indexed."""
        return await documents.ids(session, target.store_id, after, limit)

    async def promote(self, session: Session, target: Target) -> None:
        """Remove what the rebuild did not write anew."""
        if target.building is not None:
            await documents.drop_older(session, target.store_id, target.building)

    async def discard(self, session: Session, store_id: int, generation: int) -> None:
        """Do nothing: generations share their rows."""

    async def close(self) -> None:
        """Do nothing."""


async def _put(session: Session, rows: Sequence[DocumentRow]) -> list[IndexFailure]:
    try:
        async with session.transaction():  # a savepoint
            await documents.put(session, rows)
    except Unstorable as error:
        if len(rows) == 1:
            return [IndexFailure(rows[0].store_id, rows[0].message_id, str(error))]
        failures = [await _put(session, [row]) for row in rows]
        return [failure for found in failures for failure in found]
    return []


def _row(change: Change, document: Document, words: Vectors, generation: int) -> DocumentRow:
    return DocumentRow(
        store_id=document.store_id,
        message_id=document.message_id,
        version=change.version,
        generation=generation,
        document=words.document,
        is_long=words.is_long,
        date=document.date,
        size=document.size,
        header_id=document.header_id,
        sender=document.sender,
        archives=document.archives,
        folders=document.folders,
        flags=document.flags,
        is_filed=document.is_filed,
        has_attachment=document.has_attachment,
        types=document.types,
        passages=words.passages,
    )


def _after(request: Request, arguments: int) -> Condition | None:
    """Return the condition that keeps out what the pages before had; its arguments follow those of the search."""
    last = request.after
    if last is None:
        return None
    date, message, store, level = (placeholder(arguments + offset) for offset in range(1, 5))
    place: LiteralString = (
        "(date, message_id, store_id) < (" + date + "::timestamptz, " + message + "::bigint, " + store + "::smallint)"
    )
    keys = (last.date, last.message_id, last.store_id)
    if request.sort is Sort.DATE:
        return Condition(place, keys)
    either: LiteralString = "(score < " + level + "::float8 OR (score = " + level + "::float8 AND " + place + "))"
    return Condition(either, (*keys, last.score))
