"""Messages that are not indexed, or only in part, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from muniment.db.database import Session
from muniment.db.sql import load
from muniment.model.index_problem import IndexProblem
from muniment.model.text_problem import TextProblem

_SQL = load("index_problems")


@dataclass(frozen=True)
class Outcome:
    """The result for one message; `problems`: why it is not indexed, or only in part, or what was guessed."""

    store_id: int
    message_id: int
    indexed: bool = True
    problems: tuple[TextProblem, ...] = ()


@dataclass(frozen=True)
class Reason:
    """A reason why messages are not indexed, or only in part, and the number of messages."""

    store_id: int
    indexed: bool
    reason: str
    messages: int


async def settle(session: Session, outcomes: Sequence[Outcome], first_seconds: float, cap_seconds: float) -> None:
    """Record messages that are not indexed, or only in part, and delete earlier problems of the other messages."""
    await session.execute(
        _SQL["settle"],
        [outcome.store_id for outcome in outcomes],
        [outcome.message_id for outcome in outcomes],
        [outcome.indexed for outcome in outcomes],
        [_lines([problem.words or "no reason was given" for problem in outcome.problems]) for outcome in outcomes],
        [_lines([problem.code for problem in outcome.problems]) for outcome in outcomes],
        [_lines([problem.part for problem in outcome.problems]) for outcome in outcomes],
        first_seconds,
        cap_seconds,
    )


def _lines(texts: Sequence[str]) -> str:
    return "\n".join(" ".join(text.split()) for text in texts)


async def retry(session: Session, limit: int) -> None:
    """Put failures that are due back into the outbox."""
    await session.execute(_SQL["retry"], limit)


async def retry_all(session: Session, store_id: int | None) -> int:
    """Put every problem of a store, or of all stores, back into the outbox; return how many."""
    count: int = await session.value(_SQL["retry_all"], store_id)
    return count


async def is_retry_due(session: Session) -> bool:
    """Whether a failure is due for another attempt."""
    due: bool = await session.value(_SQL["is_retry_due"])
    return due


async def excused(session: Session, store_id: int, message_ids: Sequence[int]) -> set[int]:
    """Return the messages that the index may lack: they wait in the outbox, or it refused them."""
    return set(await session.values(_SQL["excused"], store_id, list(message_ids))) if message_ids else set()


async def reasons(session: Session, limit: int) -> list[Reason]:
    """Return why messages are not indexed, or only in part, with the most frequent reasons first."""
    return await session.rows(Reason, _SQL["reasons"], limit)


async def list_of(session: Session, sha256: bytes) -> list[IndexProblem]:
    """Return the problems of the message with this hash, one for each store that has it."""
    return await session.rows(IndexProblem, _SQL["list_of"], sha256)


async def list_all(session: Session, store_id: int | None, limit: int) -> list[IndexProblem]:
    """Return messages of a store, or of all stores, that are not indexed, then those indexed in part."""
    return await session.rows(IndexProblem, _SQL["list_all"], store_id, limit)
