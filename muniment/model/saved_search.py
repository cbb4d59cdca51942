"""A search with a name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class SavedSearch:
    """A search of a user's; `results` is the count of the last run, `error` why it failed."""

    id: int
    user_name: str
    name: str
    query: str
    created: datetime
    requested: datetime | None
    last_run: datetime | None
    results: int | None
    error: str | None
