"""Limits: how much of a mailbox one session may hold in memory and on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from muniment.mailserver.budget import ByteBudget
from muniment.mailserver.gate import Gate, UnlimitedGate


@dataclass(frozen=True)
class Limits:
    """Bounds of one session, which the caller takes from Settings; all sizes in bytes.

    `spool` is the folder for messages above `spool_bytes`; it is created when first needed. `gate` decides when a
    connection may be opened. `budget`: what the UIDs of an open folder count against.
    """

    batch_messages: int
    batch_bytes: int
    spool_bytes: int
    max_message_bytes: int
    spool: Path
    gate: Gate = field(default_factory=UnlimitedGate)
    budget: ByteBudget | None = None
