"""The state of the whole installation for monitoring: runs, mailboxes and capacity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from muniment.db.database import Session
from muniment.db.sql import load

_SQL = load("fleet")


@dataclass(frozen=True)
class OpenRun:
    """A run in progress: its mailboxes by state, and the messages and bytes archived so far."""

    id: int
    profile: str
    age_seconds: float
    queued: int
    running: int
    done: int
    failed: int
    messages: int
    bytes: int


@dataclass(frozen=True)
class LastRun:
    """The last finished run of a profile: end (Unix time), result, failed mailboxes, and missing messages."""

    profile: str
    finished: float
    succeeded: bool
    failed: int
    missing: int


@dataclass(frozen=True)
class LagBucket:
    """The number of mailboxes between two bounds of lag, and the sum of their lags in seconds."""

    bucket: int
    mailboxes: int
    seconds: float


@dataclass(frozen=True)
class MailboxLag:
    """Seconds since the oldest comparison of UIDs in a mailbox that is proven complete; None: never."""

    user_name: str
    mailbox: str
    seconds: float | None


@dataclass(frozen=True)
class Capacity:
    """PostgreSQL's size and connections, and the age in seconds of the oldest due row in the index outbox."""

    database_bytes: int
    connections: int
    max_connections: int
    outbox_seconds: float


async def answer(session: Session) -> None:
    """Return once PostgreSQL responds."""
    await session.value(_SQL["answer"])


async def open_runs(session: Session) -> list[OpenRun]:
    """Return the runs in progress."""
    return await session.rows(OpenRun, _SQL["open_runs"])


async def last_runs(session: Session) -> list[LastRun]:
    """Return the last finished run of each profile."""
    return await session.rows(LastRun, _SQL["last_runs"])


async def lags(session: Session, bounds: Sequence[float]) -> list[LagBucket]:
    """Return a histogram of the age of mailboxes' oldest comparison of UIDs; bucket n is below bounds[n] (seconds)."""
    return await session.rows(LagBucket, _SQL["lags"], list(bounds))


async def visit_lags(session: Session, bounds: Sequence[float]) -> list[LagBucket]:
    """Return a histogram of the time since a run last completed mailboxes; bucket n is below bounds[n] (seconds)."""
    return await session.rows(LagBucket, _SQL["visit_lags"], list(bounds))


async def longest_lags(session: Session, limit: int) -> list[MailboxLag]:
    """Return the mailboxes whose last proof is oldest."""
    return await session.rows(MailboxLag, _SQL["longest_lags"], limit)


async def never_proven(session: Session) -> int:
    """Return the number of mailboxes that runs have tried but never proven complete."""
    count: int = await session.value(_SQL["never_proven"])
    return count


async def capacity(session: Session) -> Capacity:
    """Return PostgreSQL's usage."""
    row = await session.row(Capacity, _SQL["capacity"])
    if row is None:  # it always returns a row
        raise AssertionError
    return row
