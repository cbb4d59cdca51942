"""Message attributes that a mail server reports without the body."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Attributes:
    """Flags, INTERNALDATE in UTC, RFC822.SIZE in bytes, and raw header fields; None if the server did not send it."""

    flags: tuple[str, ...] | None
    received: datetime | None
    size: int | None
    head: bytes | None = None
