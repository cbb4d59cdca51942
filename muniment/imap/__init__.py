"""The IMAP client: the only package that imports aioimaplib."""

from __future__ import annotations

from muniment.imap.batches import batches, uid_sets, unknown_size
from muniment.imap.eraser import Eraser
from muniment.imap.session import ImapSession
from muniment.imap.starttls import negotiate_starttls

__all__ = ["Eraser", "ImapSession", "batches", "negotiate_starttls", "uid_sets", "unknown_size"]
