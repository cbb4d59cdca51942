"""Makes text from a mail server safe to show."""

from __future__ import annotations


def shown(value: object, limit: int = 200) -> str:
    """Return server text for display: decoded, without control characters, truncated to `limit` characters."""
    if not isinstance(value, bytes):
        return repr(value)[:limit]
    text = value[: limit * 4].decode("utf-8", "replace")
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)[:limit].strip()
