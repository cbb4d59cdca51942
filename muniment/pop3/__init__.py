"""The POP3 client (RFC 1939): presents a mailbox without folders and flags like an IMAP mailbox."""

from __future__ import annotations

from muniment.pop3.session import Numbering, Pop3Session
from muniment.pop3.sizes import announced_size
from muniment.pop3.stls import negotiate_stls

__all__ = ["Numbering", "Pop3Session", "announced_size", "negotiate_stls"]
