"""Drain the index outbox for a bounded time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Sequence

from muniment import log, metrics
from muniment.contents.codec import EncodedPart, decode_part
from muniment.db import index
from muniment.db.database import Session
from muniment.db.index import OutboxRow
from muniment.errors import Damaged
from muniment.mail.bodies import read_text
from muniment.metrics import Stage, timed
from muniment.model.document import Document
from muniment.retry import Backoff
from muniment.services.doors import Doors
from muniment.services.read_message import with_parts

_log = log.get(__name__)

#: Characters of text that the index takes of one message; a tsvector holds 1 MB at most.
TEXT_CHARS = 200_000
#: Bytes of a message that are parsed for text; what lies behind is attachments as a rule.
PARSED_BYTES = 16 * 1024 * 1024

#: An index task ends after this time (seconds), so that a worker can stop; the tick sends the next.
DRAIN_SECONDS = 10.0

#: So many bytes are read before they are parsed together.
READ_BYTES = 4 * 1024 * 1024

#: Store and message.
_Key = tuple[int, int]

_RETRY = Backoff(first_seconds=60, cap_seconds=6 * 3600)


async def drain_outbox(doors: Doors) -> int:
    """Index what is due until nothing is left or the time is over; return how many messages."""
    until = time.monotonic() + DRAIN_SECONDS
    total = 0
    while True:
        with timed(Stage.INDEX):
            taken = await _drain_batch(doors)
        total += taken
        if taken < doors.settings.index_batch or time.monotonic() >= until:
            return total


async def _drain_batch(doors: Doors) -> int:
    """Index one batch in the transaction that takes it out of the outbox."""
    async with doors.database.transaction() as session:
        rows = await index.claim(session, doors.settings.index_batch)
        if not rows:
            return 0
        documents, failed = await _documents(session, [row for row in rows if not row.is_gone])
        refused = await doors.index.put(session, documents) if documents else []
        failed |= {(f.document.store_id, f.document.message_id): f.reason for f in refused}
        await index.done(session, [row for row in rows if (row.store_id, row.message_id) not in failed])
        for row in rows:
            if reason := failed.get((row.store_id, row.message_id)):
                await index.set_aside(session, row, reason, _RETRY.seconds(row.attempts + 1))
    metrics.INDEXED.labels("indexed").inc(len(rows) - len(failed))
    metrics.INDEXED.labels("failed").inc(len(failed))
    if failed:
        _log.warning("not indexed", messages=len(failed), reason=next(iter(failed.values())))
    return len(rows)


async def _documents(session: Session, rows: Sequence[OutboxRow]) -> tuple[list[Document], dict[_Key, str]]:
    """Return what the index shall know of these messages, and why it can know nothing of others."""
    documents: list[Document] = []
    failed: dict[_Key, str] = {}
    read: list[tuple[OutboxRow, bytes]] = []
    held = 0
    async for row, parts in with_parts(session, _each(rows)):
        try:
            raw = await _head(row, parts)
        except Damaged as error:
            failed[row.store_id, row.message_id] = str(error)
            continue
        read.append((row, raw))
        held += len(raw)
        if held >= READ_BYTES:
            await asyncio.to_thread(_parse, read, documents, failed)
            read, held = [], 0
    await asyncio.to_thread(_parse, read, documents, failed)
    return documents, failed


def _parse(read: Sequence[tuple[OutboxRow, bytes]], documents: list[Document], failed: dict[_Key, str]) -> None:
    """Parse messages (in a thread, many at once: it is CPU work) and sort them by the outcome."""
    for row, raw in read:
        found = _document(row, raw)
        if isinstance(found, Document):
            documents.append(found)
        else:
            failed[row.store_id, row.message_id] = found


def _document(row: OutboxRow, raw: bytes) -> Document | str:
    """Return what the index shall know of a message, or why it cannot be parsed."""
    try:
        body = read_text(raw, limit=TEXT_CHARS)
    except Exception as error:  # noqa: BLE001 - it would stop the batch, for ever, with all others in it
        _log.exception("message cannot be parsed", store=row.store_id, message=row.message_id)
        return f"the parser failed: {type(error).__name__}: {error}"
    return Document(
        store_id=row.store_id,
        message_id=row.message_id,
        subject=row.subject,
        people=f"{row.sender} {row.recipients}",
        text=" ".join([body.text, *body.attachment_names]),
        problem=body.problem,
    )


async def _each(rows: Sequence[OutboxRow]) -> AsyncIterator[OutboxRow]:
    for row in rows:
        yield row


async def _head(row: OutboxRow, parts: AsyncIterable[EncodedPart]) -> bytes:
    """Return the message's bytes as far as they are parsed."""
    chunks: list[bytes] = []
    size = 0
    async for part in parts:
        chunks.append(decode_part(part.codec, part.data)[: PARSED_BYTES - size])
        size += len(chunks[-1])
        if size >= PARSED_BYTES:
            break
    if size < min(row.size, PARSED_BYTES):
        raise Damaged(f"content ends after {size} of {row.size} bytes")
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
