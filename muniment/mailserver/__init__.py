"""Code shared by the IMAP and POP3 clients: their port, sockets, TLS, limits, redaction and message spooling."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muniment.lazily import lazily

if TYPE_CHECKING:
    from muniment.mailserver.attributes import Attributes
    from muniment.mailserver.budget import ByteBudget
    from muniment.mailserver.connector import Connector, Numbering
    from muniment.mailserver.diagnosis import diagnose_connection
    from muniment.mailserver.gate import UnlimitedGate
    from muniment.mailserver.limits import Limits
    from muniment.mailserver.session import Eraser, ListsInParts, MailSession

__all__ = [
    "Attributes",
    "ByteBudget",
    "Connector",
    "Eraser",
    "Limits",
    "ListsInParts",
    "MailSession",
    "Numbering",
    "UnlimitedGate",
    "diagnose_connection",
]

__getattr__ = lazily(
    __name__,
    {
        "Attributes": "attributes",
        "ByteBudget": "budget",
        "Connector": "connector",
        "Eraser": "session",
        "Limits": "limits",
        "ListsInParts": "session",
        "MailSession": "session",
        "Numbering": "connector",
        "UnlimitedGate": "gate",
        "diagnose_connection": "diagnosis",
    },
)
