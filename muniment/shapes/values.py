"""Values as programs see them."""

from __future__ import annotations

from datetime import UTC, datetime


def utc(time: datetime | None) -> str | None:
    """Return a time for programs: ISO 8601, UTC."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z") if time else None
