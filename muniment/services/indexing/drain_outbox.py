"""Drain the index outbox for a bounded time."""

from __future__ import annotations

import time
from collections.abc import Sequence

from muniment import log, metrics
from muniment.db import generations, index_pause, index_problems, message_facts, outbox
from muniment.db.database import Session
from muniment.db.index_problems import Outcome
from muniment.db.outbox import OutboxRow
from muniment.errors import SearchUnavailable
from muniment.metrics import Stage, timed
from muniment.model.document import Document
from muniment.model.text_problem import ProblemCode, TextProblem
from muniment.retry import Backoff
from muniment.search import Change, IndexFailure
from muniment.services.indexing.index_targets import targets_of
from muniment.services.indexing.make_documents import make_documents
from muniment.services.resources import Resources

_log = log.get(__name__)

#: An index task ends after this time (seconds), so that a worker can stop; the next tick sends another.
DRAIN_SECONDS = 10.0

#: Delays before a message that the index refused is retried (seconds).
_FAILED = Backoff(first_seconds=60, cap_seconds=6 * 3600)

#: Delays before an index that accepts no writes is tried again (seconds).
_PAUSED = Backoff(first_seconds=2, cap_seconds=60)


async def drain_outbox(resources: Resources) -> int:
    """Index messages until the outbox is empty or time runs out; return how many.

    SearchUnavailable if the index accepts no writes: everything stays in the outbox, and no worker tries again before
    the pause is over.
    """
    until = time.monotonic() + DRAIN_SECONDS
    total = 0
    async with resources.database.session() as session:
        if await index_pause.is_paused(session):
            return 0
    slow = False
    while True:
        taken = await _drain(resources, until, slow=slow)
        if taken and not total:
            async with resources.database.session() as session:
                await index_pause.resume(session)
        total += taken
        if slow and (not taken or time.monotonic() >= until):
            return total
        # Slow messages have their turn when no other waits, and one of them when the time is over: under a steady
        # load they would wait for ever.
        slow = not slow and (not taken or time.monotonic() >= until)


async def _drain(resources: Resources, until: float, *, slow: bool) -> int:
    try:
        with timed(Stage.INDEX):
            return await _drain_batch(resources, until, slow=slow)
    except SearchUnavailable as error:
        async with resources.database.session() as session:
            await index_pause.pause(session, str(error), _PAUSED.first_seconds, _PAUSED.cap_seconds)
        raise


async def _drain_batch(resources: Resources, until: float, *, slow: bool) -> int:
    """Index one batch, of slow messages a single one; return the number of messages.

    The transaction claims rows of the outbox, and deletes them after the index has applied the changes. A crash in
    between leaves the rows, and the next worker applies the same changes again.
    """
    async with resources.database.transaction() as session:
        await generations.share(session)
        rows = await outbox.claim(session, 1 if slow else resources.settings.index_batch, slow=slow)
        if not rows:
            return 0
        version = await outbox.next_version(session)
        messages = sorted({(row.store_id, row.message_id) for row in rows})
        facts = await message_facts.find(session, messages)
        existing = {(known.store_id, known.message_id) for known in facts}
        documents: dict[tuple[int, int], Document | None] = dict.fromkeys(set(messages) - existing)
        async for document in make_documents(resources, session, facts, version, until, slow=slow):
            documents[document.store_id, document.message_id] = document
        outcomes = await _apply(resources, session, rows, documents, version)
        await index_problems.settle(session, outcomes, _FAILED.first_seconds, _FAILED.cap_seconds)
        unfinished = {key for key, document in documents.items() if document is not None and document.is_unfinished}
        await outbox.set_aside(session, [row for row in rows if (row.store_id, row.message_id) in unfinished])
        await outbox.done(session, [row for row in rows if (row.store_id, row.message_id) in documents])
    failed = [outcome for outcome in outcomes if not outcome.indexed]
    metrics.INDEXED.labels("indexed").inc(len(outcomes) - len(failed))
    metrics.INDEXED.labels("failed").inc(len(failed))
    if failed:
        _log.warning("not indexed", messages=len(failed), reason=failed[0].problems[0].words)
    return len(documents)


async def _apply(
    resources: Resources,
    session: Session,
    rows: Sequence[OutboxRow],
    documents: dict[tuple[int, int], Document | None],
    version: int,
) -> list[Outcome]:
    """Apply the documents to the index, and return the outcome for each message."""
    # A message that changed during a rebuild has rows of both kinds, and goes to both generations.
    building = {(row.store_id, row.message_id) for row in rows if row.building} - {
        (row.store_id, row.message_id) for row in rows if not row.building
    }
    changes = [
        Change(store, message, version, document, building=(store, message) in building)
        for (store, message), document in documents.items()
    ]
    targets = await targets_of(resources, session)
    found = await session.keep_alive(resources.index.apply(targets, changes))
    # A message may be indexed in part and then refused: the later failure counts.
    failures = {(failure.store_id, failure.message_id): failure for failure in found}
    return [_outcome(key, document, failures.get(key)) for key, document in documents.items()]


def _outcome(key: tuple[int, int], document: Document | None, failure: IndexFailure | None) -> Outcome:
    if failure is not None and not failure.indexed:
        return Outcome(*key, indexed=False, problems=(TextProblem(ProblemCode.REFUSED, failure.reason),))
    problems = () if document is None else document.problems
    if failure is not None:
        problems = (*problems, TextProblem(ProblemCode.INDEX, failure.reason))
    return Outcome(*key, problems=problems)
