"""A document with a body and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

from muniment.model.document import Document

_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def document(body: str) -> Document:
    """Return a document with this body."""
    return Document(
        store_id=1,
        message_id=1,
        version=1,
        sha256=bytes(32),
        size=len(body),
        header_id="",
        date=_NOW,
        sent=None,
        received=None,
        archived=_NOW,
        body=(body,),
    )
