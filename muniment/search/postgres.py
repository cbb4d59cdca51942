"""The index in PostgreSQL: full-text search over rows stored next to the messages."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import LiteralString

from muniment.db import documents
from muniment.db.database import Database, Session
from muniment.db.documents import Condition, DocumentRow, placeholder
from muniment.errors import SearchTooSlow, StatementEnded, Unstorable
from muniment.model.document import Document
from muniment.search.port import FACET_VALUES, Change, Facet, IndexFailure, Match, Matches, Request, Sort, Target
from muniment.search.sql import condition, score
from muniment.search.vectors import Vectors, vectors

_CUT = "more different words than PostgreSQL takes: the last ones are not indexed"


class PostgresIndex:
    """Documents as rows. A rebuild replaces them one by one, in transactions, so generations share the rows.

    Each method takes one connection from `database` and releases it before it returns.
    """

    backend = "postgresql"

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prepare(self, targets: Sequence[Target]) -> None:
        """Do nothing: the tables are created by migrations and together with new stores."""

    async def apply(self, targets: Sequence[Target], changes: Sequence[Change]) -> list[IndexFailure]:
        """Write all documents in one transaction; if one is refused, write each in its own to find out which."""
        generations = {target.store_id: target.building or target.live for target in targets}
        gone = [(change.store_id, change.message_id) for change in changes if change.document is None]
        rows: list[DocumentRow] = []
        failures: list[IndexFailure] = []
        for change in changes:
            if change.document is None:
                continue
            words = vectors(change.document)
            rows.append(_row(change, change.document, words, generations[change.store_id]))
            if words.is_cut:
                failures.append(IndexFailure(change.store_id, change.message_id, _CUT, indexed=True))
        try:
            await self._write(rows, gone)
        except Unstorable:
            await self._write([], gone)
            for row in rows:
                try:
                    await self._write([row])
                except Unstorable as error:
                    failures.append(IndexFailure(row.store_id, row.message_id, str(error)))
        return failures

    async def search(self, request: Request) -> Matches:
        """Find messages, with one query each for the page, the facets and the total."""
        where = condition(request)
        by = score(request, len(where.arguments)) if request.sort is Sort.RELEVANCE else None
        after = _after(request, len(where.arguments) + (len(by.arguments) if by else 0))
        facets: dict[str, dict[str, int]] = {}
        try:
            async with self._database.transaction() as session:
                limit = _TimeLimit(session, request.seconds)
                await limit.apply()
                page = await documents.find(session, where, by, after, request.limit)
                if request.facets:
                    await limit.apply()
                    facets = await documents.facets(session, where, request.folders, FACET_VALUES)
                await limit.apply()
                total = await documents.count_matches(session, where)
        except StatementEnded as error:
            raise SearchTooSlow(f"the search took longer than {request.seconds:g} s") from error
        return Matches(
            [Match(found.store_id, found.message_id, found.score, found.date) for found in page],
            total,
            {Facet(kind): values for kind, values in facets.items()},
        )

    async def count(self, target: Target) -> int:
        """Return the number of a store's documents."""
        async with self._database.session() as session:
            return await documents.count(session, target.store_id)

    async def ids(self, target: Target, after: int, limit: int) -> list[int]:
        """Return up to `limit` ids above `after` of a store's messages that have a document."""
        async with self._database.session() as session:
            return await documents.ids(session, target.store_id, after, limit)

    async def promote(self, target: Target) -> None:
        """Delete the documents that the rebuild did not replace."""
        if target.building is not None:
            async with self._database.session() as session:
                await documents.drop_older(session, target.store_id, target.building)

    async def discard(self, store_id: int, generation: int) -> None:
        """Do nothing: generations share their rows."""

    async def close(self) -> None:
        """Do nothing: the database belongs to the caller."""

    async def _write(self, rows: Sequence[DocumentRow], gone: Sequence[tuple[int, int]] = ()) -> None:
        async with self._database.transaction() as session:
            await documents.commit_without_flush(session)
            if gone:
                await documents.drop(session, gone)
            if rows:
                await documents.put(session, rows)


class _TimeLimit:
    """Divides the time that a search may take among its statements."""

    def __init__(self, session: Session, seconds: float) -> None:
        self._session = session
        self._until = time.monotonic() + seconds

    async def apply(self) -> None:
        """Let the next statement take the time that is left."""
        await documents.limit_time(self._session, self._until - time.monotonic())


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
        received=document.received,
        passages=words.passages,
    )


def _after(request: Request, arguments: int) -> Condition | None:
    """Return the condition that skips the previous pages; its arguments are numbered after those of the search."""
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
