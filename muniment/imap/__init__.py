"""The IMAP door: the only package that knows aioimaplib."""

from __future__ import annotations

from muniment.imap.attributes import Attributes
from muniment.imap.batches import batches, uid_sets, unknown_size
from muniment.imap.budget import ByteBudget
from muniment.imap.diagnosis import diagnose_way
from muniment.imap.eraser import Eraser
from muniment.imap.gate import FreeGate
from muniment.imap.limits import Limits
from muniment.imap.session import ImapSession

__all__ = [
    "Attributes",
    "ByteBudget",
    "Eraser",
    "FreeGate",
    "ImapSession",
    "Limits",
    "batches",
    "diagnose_way",
    "uid_sets",
    "unknown_size",
]
