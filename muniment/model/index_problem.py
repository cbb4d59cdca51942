"""A message that is not indexed, or only partly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from muniment.model.text_problem import ProblemCode, TextProblem


@dataclass(frozen=True)
class IndexProblem:
    """A message that is not indexed, or only partly, or of which something was guessed."""

    store_name: str
    message_id: int
    indexed: bool
    reasons: list[str]
    attempts: int
    since: datetime
    not_before: datetime | None
    sha256: bytes
    subject: str
    date: datetime | None
    size: int
    codes: list[str]
    parts: list[str]

    @property
    def problems(self) -> list[TextProblem]:
        """What is missing or was guessed; problems recorded before codes existed count as attachments'."""
        codes = self.codes or [ProblemCode.ATTACHMENT] * len(self.reasons)
        parts = self.parts or [""] * len(self.reasons)
        return [
            TextProblem(ProblemCode(code), words, part)
            for code, words, part in zip(codes, self.reasons, parts, strict=False)
        ]
