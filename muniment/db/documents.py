"""The search index in PostgreSQL: documents, passages of long documents, and searches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from muniment.db.database import Session
from muniment.db.sql import load

_SQL = load("documents")
_DIGITS: dict[str, LiteralString] = {
    digit: digit for digit in ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
}  # numbers in queries are built from these, so that the type of a query stays LiteralString


_COUNT: LiteralString = "SELECT count(*) FROM search_documents AS d WHERE "
_FIND: tuple[LiteralString, ...] = (
    "SELECT * FROM (SELECT store_id, message_id, date, (",
    ")::float8 AS score FROM search_documents AS d WHERE ",
    ") AS d WHERE ",
)
_FACETS: tuple[LiteralString, ...] = (
    "WITH d AS MATERIALIZED (SELECT sender, date, folders, types FROM search_documents AS d WHERE ",
    "), counts AS (SELECT 'sender' AS kind, sender AS value, count(*) FROM d WHERE sender <> '' GROUP BY sender"
    " UNION ALL SELECT 'year', extract(year FROM date AT TIME ZONE 'UTC')::text, count(*) FROM d GROUP BY 2"
    " UNION ALL SELECT 'folder', folder::text, count(*) FROM d, unnest(folders) AS folder WHERE ",
    " IS NULL OR folder = ANY (",
    ") GROUP BY 2 UNION ALL SELECT 'type', type, count(*) FROM d, unnest(types) AS type GROUP BY 2),"
    " placed AS (SELECT *, row_number() OVER (PARTITION BY kind ORDER BY count DESC, value) AS place FROM counts)"
    " SELECT kind, value, count FROM placed WHERE place <= ",
    " ORDER BY kind, count DESC, value",
)


@dataclass(frozen=True)
class DocumentRow:
    """A document as stored in PostgreSQL; `document` and `passages` are tsvectors in text form."""

    store_id: int
    message_id: int
    version: int
    generation: int
    document: str
    is_long: bool
    date: datetime
    size: int
    header_id: str
    sender: str
    archives: Sequence[int]
    folders: Sequence[int]
    flags: Sequence[str]
    is_filed: bool
    has_attachment: bool
    types: Sequence[str]
    received: datetime | None = None
    passages: Sequence[str] = ()


@dataclass(frozen=True)
class Found:
    """A matching document."""

    store_id: int
    message_id: int
    score: float
    date: datetime


@dataclass(frozen=True)
class Condition:
    """An SQL condition on the search document `d`, or a sort key, with the arguments of its placeholders."""

    sql: LiteralString
    arguments: tuple[object, ...]


@dataclass(frozen=True)
class _Facet:
    kind: str
    value: str
    count: int


async def commit_without_flush(session: Session) -> None:
    """Let this transaction's commit return before it is flushed to disk."""
    await session.execute(_SQL["commit_without_flush"])


async def limit_time(session: Session, seconds: float) -> None:
    """Let PostgreSQL end each further statement of this transaction after `seconds`: StatementEnded."""
    await session.execute(_SQL["limit_time"], f"{max(1, round(seconds * 1000))}ms")


async def put(session: Session, rows: Sequence[DocumentRow]) -> None:
    """Store documents unless a newer version exists; Unstorable if a text exceeds a limit of PostgreSQL."""
    await session.execute(
        _SQL["put_documents"],
        [row.store_id for row in rows],
        [row.message_id for row in rows],
        [row.version for row in rows],
        [row.generation for row in rows],
        [row.document for row in rows],
        [row.is_long for row in rows],
        [row.date for row in rows],
        [row.size for row in rows],
        [row.header_id for row in rows],
        [row.sender for row in rows],
        [" ".join(map(str, row.archives)) for row in rows],
        [" ".join(map(str, row.folders)) for row in rows],
        [" ".join(row.flags) for row in rows],
        [row.is_filed for row in rows],
        [row.has_attachment for row in rows],
        [" ".join(row.types) for row in rows],
        [row.received for row in rows],
    )
    long = [row for row in rows if row.passages]
    if long:  # an older version may have had more passages
        stores, ids = [row.store_id for row in long], [row.message_id for row in long]
        await session.execute(_SQL["drop_passages"], stores, ids)
    passages = [(row, number, words) for row in long for number, words in enumerate(row.passages)]
    if passages:
        await session.execute(
            _SQL["put_passages"],
            [row.store_id for row, _, _ in passages],
            [row.message_id for row, _, _ in passages],
            [number for _, number, _ in passages],
            [words for _, _, words in passages],
        )


async def drop(session: Session, messages: Sequence[tuple[int, int]]) -> None:
    """Delete the documents of messages (store, id)."""
    stores, ids = [store for store, _ in messages], [message for _, message in messages]
    await session.execute(_SQL["drop_documents"], stores, ids)
    await session.execute(_SQL["drop_passages"], stores, ids)


async def count(session: Session, store_id: int) -> int:
    """Return the number of a store's documents."""
    found: int = await session.value(_SQL["count_documents"], store_id)
    return found


async def ids(session: Session, store_id: int, after: int, limit: int) -> list[int]:
    """Return up to `limit` ids, above `after`, of a store's messages that have a document."""
    return await session.values(_SQL["document_ids"], store_id, after, limit)


async def drop_older(session: Session, store_id: int, generation: int) -> None:
    """Delete the documents of earlier generations."""
    await session.execute(_SQL["drop_older"], store_id, generation)


async def count_matches(session: Session, where: Condition) -> int:
    """Return the number of documents that match."""
    query = _COUNT + where.sql
    found: int = await session.value(query, *where.arguments)
    return found


async def find(
    session: Session, where: Condition, score: Condition | None, after: Condition | None, limit: int
) -> list[Found]:
    """Return matches after the position `after`, sorted by score (if given) and date.

    The placeholders are numbered in the order `where`, `score`, `after`.
    """
    order: LiteralString = "score DESC, " if score else ""
    query = (
        _FIND[0] + (score.sql if score else "0") + _FIND[1] + where.sql + _FIND[2] + (after.sql if after else "true")
    ) + (" ORDER BY " + order + "date DESC, message_id DESC, store_id DESC LIMIT " + _literal(limit))
    arguments = [value for part in (where, score, after) if part for value in part.arguments]
    return await session.rows(Found, query, *arguments)


async def facets(
    session: Session, where: Condition, folders: Sequence[int] | None, limit: int
) -> dict[str, dict[str, int]]:
    """Count matches by sender, year, folder id (only `folders`) and type; most frequent values first."""
    allowed: LiteralString = placeholder(len(where.arguments) + 1) + "::bigint[]"
    query = (
        _FACETS[0] + where.sql + _FACETS[1] + allowed + _FACETS[2] + allowed + _FACETS[3] + _literal(limit) + _FACETS[4]
    )
    found: dict[str, dict[str, int]] = {}
    for row in await session.rows(_Facet, query, *where.arguments, None if folders is None else list(folders)):
        found.setdefault(row.kind, {})[row.value] = row.count
    return found


def placeholder(number: int) -> LiteralString:
    """Return the placeholder of an argument, such as `$1`."""
    return "$" + _literal(number)


def _literal(number: int) -> LiteralString:
    """Return a number as part of a query."""
    return "".join([_DIGITS[digit] for digit in str(int(number))])
