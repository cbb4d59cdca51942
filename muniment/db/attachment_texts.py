"""Texts of attachments, kept so that none is extracted twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from muniment.db.database import Session
from muniment.db.sql import load

_SQL = load("attachment_texts")


@dataclass(frozen=True)
class TextRow:
    """The text of an attachment; `sha256`: of its bytes."""

    sha256: bytes
    type: str
    text: str
    problem: str


async def find(session: Session, hashes: Sequence[bytes], reader: int) -> dict[bytes, TextRow]:
    """Return the texts, by the attachment's SHA-256, that this version of the readers has extracted."""
    if not hashes:
        return {}
    return {row.sha256: row for row in await session.rows(TextRow, _SQL["find"], list(hashes), reader)}


async def keep(session: Session, texts: Sequence[TextRow], reader: int) -> None:
    """Keep texts of attachments."""
    if texts:
        await session.execute(
            _SQL["keep"],
            [text.sha256 for text in texts],
            reader,
            [text.type for text in texts],
            [text.text for text in texts],
            [text.problem for text in texts],
        )
