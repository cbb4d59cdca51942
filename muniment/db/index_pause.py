"""The pause of index workers while the index accepts no writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from muniment.db.database import Session
from muniment.db.sql import load

_SQL = load("index_pause")


@dataclass(frozen=True)
class Pause:
    """The index accepts no writes since `since`; the next attempt is at `not_before`."""

    since: datetime
    failures: int
    not_before: datetime
    reason: str


async def pause(session: Session, reason: str, first_seconds: float, cap_seconds: float) -> None:
    """Pause for `first_seconds`, and twice as long after each further failure, up to `cap_seconds`."""
    await session.execute(_SQL["pause"], reason, first_seconds, cap_seconds)


async def resume(session: Session) -> None:
    """End the pause."""
    await session.execute(_SQL["resume"])


async def find(session: Session) -> Pause | None:
    """Return the pause; None if the index accepts writes."""
    return await session.row(Pause, _SQL["find"])


async def is_paused(session: Session) -> bool:
    """Whether it is too early for the next attempt."""
    waits: bool = await session.value(_SQL["is_paused"])
    return waits
