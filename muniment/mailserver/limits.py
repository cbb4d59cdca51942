"""Limits: how much of a mailbox a session may hold at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from muniment.mailserver.gate import FreeGate, Gate


@dataclass(frozen=True)
class Limits:
    """Bounds of one session, taken from Settings by the caller; all sizes in bytes.

    `spool` is the folder for messages above `spool_bytes`; it is made when first needed. `gate` says when a
    connection may be opened at all.
    """

    batch_messages: int
    batch_bytes: int
    spool_bytes: int
    max_message_bytes: int
    spool: Path
    gate: Gate = field(default_factory=FreeGate)
