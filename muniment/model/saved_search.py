"""A search saved under a name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class SavedSearch:
    """A user's saved search; `results` is the number of results of the last run, `error` why it failed."""

    id: int
    user_name: str
    name: str
    query: str
    created: datetime
    requested: datetime | None
    last_run: datetime | None
    results: int | None
    error: str | None
