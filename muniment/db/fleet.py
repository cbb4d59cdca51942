"""How the fleet stands, for who watches it all the time: runs, mailboxes, capacity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from muniment.db.database import Session
from muniment.db.sql import load

_SQL = load("fleet")


@dataclass(frozen=True)
class OpenRun:
    """A run that goes on: its mailboxes by state, and the messages and bytes that came until now."""

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
    """The last run of a profile that came to its end: when (Unix time), how, and how many mailboxes failed in it."""

    profile: str
    finished: float
    succeeded: bool
    failed: int


@dataclass(frozen=True)
class LagBucket:
    """Mailboxes between two bounds of lag, and the sum of their lags in seconds."""

    bucket: int
    mailboxes: int
    seconds: float


@dataclass(frozen=True)
class MailboxLag:
    """Seconds since a mailbox was proven complete; None: it never was."""

    user_name: str
    mailbox: str
    seconds: float | None


@dataclass(frozen=True)
class Capacity:
    """What PostgreSQL holds and may hold; how long (seconds) the oldest due row waits in the index outbox."""

    database_bytes: int
    connections: int
    max_connections: int
    outbox_seconds: float


async def answer(session: Session) -> None:
    """Return when PostgreSQL answers."""
    await session.value(_SQL["answer"])


async def open_runs(session: Session) -> list[OpenRun]:
    """Return the runs that go on."""
    return await session.rows(OpenRun, _SQL["open_runs"])


async def last_runs(session: Session) -> list[LastRun]:
    """Return how the last run of each profile ended."""
    return await session.rows(LastRun, _SQL["last_runs"])


async def lags(session: Session, bounds: Sequence[float]) -> list[LagBucket]:
    """Return how long ago mailboxes were proven complete; bucket n lies below bounds[n] (seconds, ascending)."""
    return await session.rows(LagBucket, _SQL["lags"], list(bounds))


async def longest_lags(session: Session, limit: int) -> list[MailboxLag]:
    """Return the mailboxes that wait longest for a proof."""
    return await session.rows(MailboxLag, _SQL["longest_lags"], limit)


async def never_proven(session: Session) -> int:
    """Return how many mailboxes a run has tried and none has proven."""
    count: int = await session.value(_SQL["never_proven"])
    return count


async def capacity(session: Session) -> Capacity:
    """Return how full PostgreSQL is."""
    row = await session.row(Capacity, _SQL["capacity"])
    if row is None:  # it always returns a row
        raise AssertionError
    return row
