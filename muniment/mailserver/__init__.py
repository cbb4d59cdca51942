"""What the IMAP and POP3 clients share: sockets, TLS, limits, redaction, where message bytes wait, and their port."""

from __future__ import annotations

from muniment.mailserver.attributes import Attributes
from muniment.mailserver.budget import ByteBudget
from muniment.mailserver.connector import Connector, Numbering
from muniment.mailserver.diagnosis import diagnose_way
from muniment.mailserver.gate import FreeGate
from muniment.mailserver.limits import Limits
from muniment.mailserver.session import Eraser, MailSession

__all__ = [
    "Attributes",
    "ByteBudget",
    "Connector",
    "Eraser",
    "FreeGate",
    "Limits",
    "MailSession",
    "Numbering",
    "diagnose_way",
]
