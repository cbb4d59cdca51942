"""JSON of the search index's state."""

from __future__ import annotations

from muniment.model.index_problem import IndexProblem
from muniment.services.indexing.show_index import (
    IndexStatus,
    StoreIndex,
)
from muniment.shapes.messages import text_problem_shape
from muniment.shapes.values import utc


def index_shape(found: IndexStatus) -> dict[str, object]:
    """`backend`, `messages`, `indexed` (null if the index does not respond), `coverage` (0 to 1, or null), `outbox`
    (messages waiting for the index), `failed` (messages that the index refused), `error` (why the index does not
    respond), `paused` (why indexing is paused, or null), `stores[{name, state, messages, indexed, outbox, failed,
    partly, rebuild, compared, missing, orphans}]` (partly: messages of which a text or attachment could not be read, or
    a charset was guessed; rebuild: null or {started, done, total, seconds_left}; compared: time of the last comparison
    with the archive, which found missing messages and orphans, i.e. messages only in the index), `failures[{reason,
    messages, indexed}]` (most frequent reasons).
    """
    return {
        "backend": found.backend,
        "messages": found.messages,
        "indexed": found.indexed,
        "coverage": None if found.coverage is None else round(found.coverage, 6),
        "outbox": found.outbox,
        "failed": found.failed,
        "error": found.error,
        "paused": found.pause.reason if found.pause else None,
        "stores": [_store_shape(store) for store in found.stores],
        "failures": [{"reason": one.reason, "messages": one.messages, "indexed": one.indexed} for one in found.reasons],
    }


def comparison_shape(store: str, missing: int, orphans: int) -> dict[str, object]:
    """`store`, `missing` (messages that the index lacked), `orphans` (only the index has them). Both are repaired."""
    return {"store": store, "missing": missing, "orphans": orphans}


def problem_shape(problem: IndexProblem) -> dict[str, object]:
    """`store`, `sha256`, `subject`, `date`, `size`, `indexed` (false: refused), `reasons[]`, `problems[{code,
    part, words}]` (as in `message`), `attempts`, `since`, `next_try` (null: no automatic retry).
    """
    return {
        "store": problem.store_name,
        "sha256": problem.sha256.hex(),
        "subject": problem.subject,
        "date": utc(problem.date),
        "size": problem.size,
        "indexed": problem.indexed,
        "reasons": problem.reasons,
        "problems": [text_problem_shape(one) for one in problem.problems],
        "attempts": problem.attempts,
        "since": utc(problem.since),
        "next_try": utc(problem.not_before),
    }


def _store_shape(store: StoreIndex) -> dict[str, object]:
    rebuild = store.rebuild
    left = None if rebuild is None or rebuild.remaining is None else round(rebuild.remaining.total_seconds())
    return {
        "name": store.name,
        "state": store.state,
        "messages": store.messages,
        "indexed": store.indexed,
        "outbox": store.outbox,
        "failed": store.failed,
        "partly": store.partly,
        "rebuild": None
        if rebuild is None
        else {"started": utc(rebuild.started), "done": rebuild.done, "total": rebuild.total, "seconds_left": left},
        "compared": utc(store.reconciled),
        "missing": store.missing,
        "orphans": store.orphans,
    }
