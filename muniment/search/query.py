"""What is looked for, as a tree: the query language of docs/reference/query-language.md, understood.

Its leaves hold words as the index has them (`muniment.search.words`), so that an index only has to find them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from muniment.search.words import Wanted


class Field(StrEnum):
    """Where a word stands; the names are those of the query language."""

    SUBJECT = "subject"
    FROM = "from"
    TO = "to"
    CC = "cc"
    BODY = "body"
    ATTACHMENT = "attachment"
    FILENAME = "filename"


#: Fields whose words are known by their stems, too; names and addresses are not.
STEMMED = (Field.SUBJECT, Field.BODY, Field.ATTACHMENT)


class Flag(StrEnum):
    """Flags of messages that people look for (RFC 9051 §2.3.2)."""

    FLAGGED = "flagged"
    ANSWERED = "answered"
    READ = "seen"
    DRAFT = "draft"


@dataclass(frozen=True)
class All:
    """Everything in `parts` is true; without any it always is."""

    parts: tuple[Query, ...]


@dataclass(frozen=True)
class Any:
    """One of `parts` is true; without any it never is."""

    parts: tuple[Query, ...]


@dataclass(frozen=True)
class Not:
    """`part` is not true."""

    part: Query


@dataclass(frozen=True)
class Word:
    """A word stands in a field, None: in any; or one with the same stem."""

    field: Field | None
    wanted: Wanted


@dataclass(frozen=True)
class Phrase:
    """Words stand side by side, as written, in one field."""

    field: Field | None
    words: tuple[str, ...]


@dataclass(frozen=True)
class Pattern:
    """A word stands there that the pattern fits: `*` any characters, `?` one. It begins with neither."""

    field: Field | None
    pattern: str


@dataclass(frozen=True)
class Dated:
    """The message's date is `first` or later, and before `end`; None: no bound."""

    first: datetime | None
    end: datetime | None


@dataclass(frozen=True)
class Sized:
    """The message has more than `above` and fewer than `below` bytes; None: no bound."""

    above: int | None
    below: int | None


@dataclass(frozen=True)
class HasAttachment:
    """The message has an attachment."""


@dataclass(frozen=True)
class OfType:
    """The message has an attachment of this type, as the facet *type* names it."""

    type: str


@dataclass(frozen=True)
class Flagged:
    """The message has a flag, in an archive that may be read."""

    flag: Flag


@dataclass(frozen=True)
class MessageId:
    """The message has this Message-ID (RFC 5322 §3.6.4), without its angle brackets."""

    id: str


@dataclass(frozen=True)
class InFolder:
    """The message stands in a folder whose path has these names side by side, or below such a one; to be resolved."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class InArchive:
    """The message stands in an archive of this name; to be resolved."""

    name: str


@dataclass(frozen=True)
class InFolders:
    """The message stands in one of these folders."""

    ids: tuple[int, ...]


@dataclass(frozen=True)
class InArchives:
    """The message stands in the archive of one of these users."""

    ids: tuple[int, ...]


Query: TypeAlias = (
    All | Any | Not | Word | Phrase | Pattern | Dated | Sized | HasAttachment | OfType | Flagged | MessageId
    | InFolder | InArchive | InFolders | InArchives
)  # fmt: skip


def words_wanted(query: Query) -> list[Word | Phrase | Pattern]:
    """Return what may stand in messages that match: all words but those that must not."""
    match query:
        case All(parts) | Any(parts):
            return [leaf for part in parts for leaf in words_wanted(part)]
        case Word() | Phrase() | Pattern():
            return [query]
        case _:
            return []


def split_pattern(pattern: str) -> tuple[str, str]:
    """Return the plain beginning of a pattern, and the rest."""
    end = min((at for at in (pattern.find("*"), pattern.find("?")) if at >= 0), default=len(pattern))
    return pattern[:end], pattern[end:]
