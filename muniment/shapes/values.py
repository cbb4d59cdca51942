"""Conversions of values to JSON."""

from __future__ import annotations

from datetime import UTC, datetime


def utc(time: datetime | None) -> str | None:
    """Format a time as ISO 8601 in UTC."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z") if time else None
