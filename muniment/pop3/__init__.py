"""POP3: reads a mailbox that has no folders and no flags, and that numbers its messages for one session only."""

from __future__ import annotations

from muniment.pop3.session import Numbering, Pop3Session
from muniment.pop3.sizes import announced_size
from muniment.pop3.stls import negotiate_stls

__all__ = ["Numbering", "Pop3Session", "announced_size", "negotiate_stls"]
