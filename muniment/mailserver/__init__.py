"""What the IMAP and POP3 clients share: sockets, TLS, limits, redaction, and where message bytes wait."""

from __future__ import annotations

from muniment.mailserver.attributes import Attributes
from muniment.mailserver.budget import ByteBudget
from muniment.mailserver.diagnosis import diagnose_way
from muniment.mailserver.gate import FreeGate
from muniment.mailserver.limits import Limits

__all__ = ["Attributes", "ByteBudget", "FreeGate", "Limits", "diagnose_way"]
