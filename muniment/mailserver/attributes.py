"""What a mail server tells about a message without its body."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Attributes:
    """Flags, INTERNALDATE in UTC, RFC822.SIZE in bytes, and header fields as they are; None for what did not come."""

    flags: tuple[str, ...] | None
    received: datetime | None
    size: int | None
    head: bytes | None = None
