"""What a search index knows of a message."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Document:
    """The searchable text of one message; `problem` is what the body parser could not read."""

    store_id: int
    message_id: int
    subject: str
    people: str
    text: str
    problem: str
