"""The state of the installation for operators: processes, queues, totals and stale mailboxes."""

from __future__ import annotations

from dataclasses import dataclass

from muniment.db.database import Session
from muniment.db.sql import load
from muniment.model.process_report import ProcessReport
from muniment.model.proof import MailboxProof, Proofs

_SQL = load("status")


@dataclass(frozen=True)
class Totals:
    """Totals of the whole archive; `bytes` is the size of the original messages.

    `accepted`: in quarantine as well, with an administrator's consent. `incomplete`: mailboxes that lacked messages at
    their last proof.
    """

    messages: int
    entries: int
    quarantined: int
    accepted: int
    incomplete: int
    bytes: int


async def report_process(session: Session, name: str, kind: str, host: str, pid: int, concurrency: int) -> None:
    """Record that a process is alive."""
    await session.execute(_SQL["report_process"], name, kind, host, pid, concurrency)


async def forget_process(session: Session, name: str) -> None:
    """Remove a process that has ended."""
    await session.execute(_SQL["forget_process"], name)


async def forget_silent(session: Session) -> None:
    """Remove processes that have been silent for a day."""
    await session.execute(_SQL["forget_silent"])


async def processes(session: Session, silence_seconds: float) -> list[ProcessReport]:
    """Return all processes with their last report."""
    return await session.rows(ProcessReport, _SQL["processes"], silence_seconds)


async def stale_mailboxes(session: Session, hours: float, compare_hours: float, limit: int) -> list[MailboxProof]:
    """Return mailboxes that no run completed in the last `hours`, or with an overdue comparison, oldest first."""
    return await session.rows(MailboxProof, _SQL["stale_mailboxes"], hours, compare_hours, limit)


async def count_stale(session: Session, hours: float, compare_hours: float) -> int:
    """Return how many mailboxes are stale."""
    count: int = await session.value(_SQL["count_stale"], hours, compare_hours)
    return count


async def proofs(session: Session) -> Proofs:
    """Return how many mailboxes are proven, and by what."""
    row = await session.row(Proofs, _SQL["proofs"])
    if row is None:  # an aggregate always returns a row
        raise AssertionError
    return row


async def totals(session: Session) -> Totals:
    """Return the totals of the whole archive."""
    row = await session.row(Totals, _SQL["totals"])
    if row is None:  # an aggregate always returns a row
        raise AssertionError
    return row


async def outbox_depth(session: Session) -> int:
    """Return how many messages are due for indexing, counted up to 10,000."""
    depth: int = await session.value(_SQL["outbox_depth"])
    return depth
