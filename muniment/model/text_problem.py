"""What full-text search lacks of a message, or guessed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ProblemCode(StrEnum):
    """The kinds of problems; `index problems` and `message --json` show these names."""

    CHARSET = "charset-guessed"
    ENCODING = "damaged-encoding"
    STRUCTURE = "broken-structure"
    LIMIT = "cut-at-limit"
    ENCRYPTED = "encrypted"
    NO_READER = "kind-not-read"
    ATTACHMENT = "attachment-not-read"
    CONTENT = "message-damaged"
    PARSER = "parser-failed"
    INDEX = "index-limit"
    REFUSED = "index-refused"


@dataclass(frozen=True)
class TextProblem:
    """A problem in words; `part`: the part of the message, such as `2 report.pdf`; empty for the whole message."""

    code: ProblemCode
    words: str
    part: str = ""
