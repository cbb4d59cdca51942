"""Formats what is known about the completeness of mailboxes."""

from __future__ import annotations

from muniment.cli.kit.output import local_time, number, plural
from muniment.model.proof import Proofs


def proofs_text(proofs: Proofs) -> str:
    """Return how many mailboxes are proven, since when, and how many are only unchanged by STATUS since."""
    if proofs.oldest is None:
        return "no mailbox is proven complete yet"
    text = f"{plural(proofs.mailboxes, 'mailbox')}, UIDs compared at {local_time(proofs.oldest)} or later"
    return text + (f"; {number(proofs.by_status)} unchanged by STATUS since" if proofs.by_status else "")
