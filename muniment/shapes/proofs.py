"""JSON of what is known about the completeness of mailboxes."""

from __future__ import annotations

from muniment.model.proof import Proofs
from muniment.shapes.values import utc


def proofs_shape(proofs: Proofs) -> dict[str, object]:
    """`mailboxes` (with a proof), `oldest` (comparison of UIDs), `by_status` (mailboxes unchanged by STATUS since)."""
    return {"mailboxes": proofs.mailboxes, "oldest": utc(proofs.oldest), "by_status": proofs.by_status}
