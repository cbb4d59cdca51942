"""How much of the archive the index covers, and why the rest is missing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from muniment.clock import utc_now
from muniment.db import generations, index_coverage, index_pause, index_problems
from muniment.db.generations import Generation
from muniment.db.index_coverage import Coverage
from muniment.db.index_pause import Pause
from muniment.db.index_problems import Reason
from muniment.errors import Misconfigured, SearchUnavailable
from muniment.model.index_problem import IndexProblem
from muniment.model.text_problem import TextProblem
from muniment.services.access.audit import Action, act, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.indexing.index_targets import list_generations, target_of
from muniment.services.resources import Resources

#: Maximum number of reasons shown.
_REASONS = 20


@dataclass(frozen=True)
class Rebuild:
    """The rebuild of a store's index: `done` of `total` messages, `remaining`: estimated time left."""

    started: datetime
    done: int
    total: int
    remaining: timedelta | None


@dataclass(frozen=True)
class StoreIndex:
    """How much of a store the index covers; `indexed` is None if the index does not respond.

    `failed`: messages that the index refused. `partly`: messages with a text or attachment that could not be
    read, or of which something was guessed.
    `reconciled`: time of the last comparison, which found `missing` messages and `orphans`.
    """

    name: str
    state: str
    messages: int
    indexed: int | None
    outbox: int
    failed: int
    partly: int
    rebuild: Rebuild | None
    reconciled: datetime | None
    missing: int
    orphans: int


@dataclass(frozen=True)
class IndexStatus:
    """The index as a whole; `error`: why it does not respond."""

    backend: str
    stores: list[StoreIndex]
    reasons: list[Reason]
    pause: Pause | None
    error: str = ""

    @property
    def messages(self) -> int:
        """Messages in the archive."""
        return sum(store.messages for store in self.stores)

    @property
    def indexed(self) -> int | None:
        """Messages in the index; None if it does not respond."""
        counts = [store.indexed for store in self.stores if store.indexed is not None]
        return sum(counts) if len(counts) == len(self.stores) else None

    @property
    def outbox(self) -> int:
        """Messages that wait for the index."""
        return sum(store.outbox for store in self.stores)

    @property
    def failed(self) -> int:
        """Messages that the index refused."""
        return sum(store.failed for store in self.stores)

    @property
    def coverage(self) -> float | None:
        """Fraction of the messages that are in the index, 0 to 1; None if it does not respond."""
        if self.indexed is None:
            return None
        return self.indexed / self.messages if self.messages else 1.0


async def show_index(principal: Principal, resources: Resources) -> IndexStatus:
    """Count messages in the archive and in the index."""
    principal.require(Right.OPERATE, Right.PROCESS)
    async with resources.database.session() as session:
        stores = await index_coverage.coverage(session)
        found = await generations.list_all(session, resources.index.backend)
        reasons = await index_problems.reasons(session, _REASONS)
        pause = await index_pause.find(session)
    known = {generation.store_id: generation for generation in found}
    counts: dict[int, int | None] = {}
    error = ""
    for store in stores:
        try:
            counts[store.store_id] = None if error else await resources.index.count(target_of(known[store.store_id]))
        except (SearchUnavailable, Misconfigured) as problem:
            counts[store.store_id], error = None, str(problem)
    shown = [_store(store, known[store.store_id], counts[store.store_id]) for store in stores]
    return IndexStatus(resources.index.backend, shown, reasons, pause, error)


@audited(Action.INDEX_PROBLEMS_LISTED, "store")
async def list_problems(
    principal: Principal, resources: Resources, store: str | None, limit: int
) -> list[IndexProblem]:
    """Return messages that are not indexed, then those indexed in part; NotFound if there is no such store."""
    principal.require(Right.ADMIN)
    store_id = await _store_id(resources, store)
    async with resources.database.session() as session:
        return await index_problems.list_all(session, store_id, limit)


async def message_problems(principal: Principal, resources: Resources, sha256: str) -> list[TextProblem]:
    """Return what the index lacks of the message with this SHA-256 (hexadecimal), or guessed."""
    principal.require(Right.ADMIN)
    async with resources.database.session() as session:
        found = await index_problems.list_of(session, bytes.fromhex(sha256))
    return list(dict.fromkeys(one for problem in found for one in problem.problems))


@audited(Action.INDEX_RETRIED, "store")
async def retry_problems(principal: Principal, resources: Resources, store: str | None) -> int:
    """Retry every message that is not indexed, or only in part; return how many."""
    principal.require(Right.ADMIN)
    store_id = await _store_id(resources, store)
    async with resources.database.transaction() as session:
        count = await index_problems.retry_all(session, store_id)
        await act(session, principal, Action.INDEX_RETRIED, store or "all", details={"messages": count})
        return count


async def _store_id(resources: Resources, name: str | None) -> int | None:
    return None if name is None else (await list_generations(resources, name))[0].store_id


def _store(store: Coverage, generation: Generation, indexed: int | None) -> StoreIndex:
    return StoreIndex(
        name=store.name,
        state=store.state,
        messages=store.messages,
        indexed=indexed,
        outbox=store.outbox,
        failed=store.failed,
        partly=store.partly,
        rebuild=_rebuild(generation, store.building),
        reconciled=generation.reconciled,
        missing=generation.missing,
        orphans=generation.orphans,
    )


def _rebuild(generation: Generation, waiting: int) -> Rebuild | None:
    if generation.building is None or generation.started is None:
        return None
    done = max(0, generation.handed - waiting)
    spent = utc_now() - generation.started
    remaining = spent * ((generation.total - done) / done) if done else None
    return Rebuild(generation.started, done, generation.total, remaining)
