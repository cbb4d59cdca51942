"""Flags of messages (RFC 9051 §2.3.2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

#: Says that a message is new to this session, nothing about the message (RFC 3501 §2.3.2). RFC 9051 dropped it.
_RECENT = "\\recent"


@dataclass(frozen=True)
class FlagChange:
    """A change of a message's flags in a folder, and when a run noticed it: what they were `before` and `after`."""

    folder_id: int
    message_id: int
    noticed: datetime
    before: list[str]
    after: list[str]


def lasting(flags: Iterable[str]) -> tuple[str, ...]:
    """Return the flags without `\\Recent`, each once, in the order given."""
    return tuple(dict.fromkeys(flag for flag in flags if flag.lower() != _RECENT))
