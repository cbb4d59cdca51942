"""Parsed queries, as trees. docs/reference/query-language.md describes the language.

The leaves contain words in the form in which they are indexed (`muniment.search.words`), so that an index only has to
look them up.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from muniment.search.words import Wanted


class Field(StrEnum):
    """The fields in which a word may occur, with their names in the query language."""

    SUBJECT = "subject"
    FROM = "from"
    TO = "to"
    CC = "cc"
    BODY = "body"
    ATTACHMENT = "attachment"
    FILENAME = "filename"
    REPLY_TO = "replyto"
    SENT_BY = "sent_by"
    LIST = "list"
    LINK = "link"
    DELIVERED = "delivered"


#: Fields that only a search for the field itself finds: what nobody sees in a message, or only its blind recipient.
HIDDEN = frozenset((Field.LINK, Field.DELIVERED))


#: Fields whose words are also indexed by their stems; names and addresses are not.
STEMMED = (Field.SUBJECT, Field.BODY, Field.ATTACHMENT)


class Flag(StrEnum):
    """Message flags that users search for (RFC 9051 §2.3.2)."""

    FLAGGED = "flagged"
    ANSWERED = "answered"
    READ = "seen"
    DRAFT = "draft"


@dataclass(frozen=True)
class All:
    """All `parts` are true; always true without parts."""

    parts: tuple[Query, ...]


@dataclass(frozen=True)
class Any:
    """At least one of `parts` is true; never true without parts."""

    parts: tuple[Query, ...]


@dataclass(frozen=True)
class Not:
    """`part` is not true."""

    part: Query


@dataclass(frozen=True)
class Word:
    """A field (None: any field) contains a word, or one with the same stem."""

    field: Field | None
    wanted: Wanted


@dataclass(frozen=True)
class Phrase:
    """One field (None: any) contains these words next to each other, as written; `is_open`: the last may go on."""

    field: Field | None
    words: tuple[str, ...]
    is_open: bool = False


@dataclass(frozen=True)
class Pattern:
    """A field contains a word that matches the pattern: `*` any characters, `?` one."""

    field: Field | None
    pattern: str


@dataclass(frozen=True)
class Dated:
    """The message's date is `first` or later, and before `end`; None: no bound."""

    first: datetime | None
    end: datetime | None


@dataclass(frozen=True)
class Received:
    """A mail server received the message at `first` or later, and before `end`; None: no bound."""

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
    """The message has an attachment of this type, as named in the facet *type*."""

    type: str


@dataclass(frozen=True)
class Flagged:
    """The message has a flag in an archive that may be read."""

    flag: Flag


@dataclass(frozen=True)
class MessageId:
    """The message has this Message-ID (RFC 5322 §3.6.4), without its angle brackets."""

    id: str


@dataclass(frozen=True)
class InFolder:
    """The message is in, or below, a folder whose path contains these names in sequence; resolved before searching."""

    names: tuple[str, ...]


@dataclass(frozen=True)
class InArchive:
    """The message is in an archive with this name; resolved before searching."""

    name: str


@dataclass(frozen=True)
class Mine:
    """A field contains an address of the user who searches; resolved before searching."""

    field: Field


@dataclass(frozen=True)
class InFolders:
    """The message is in one of these folders."""

    ids: tuple[int, ...]


@dataclass(frozen=True)
class InArchives:
    """The message is in the archive of one of these users."""

    ids: tuple[int, ...]


Query: TypeAlias = (
    All | Any | Not | Word | Phrase | Pattern | Dated | Received | Sized | HasAttachment | OfType | Flagged | MessageId
    | InFolder | InArchive | Mine | InFolders | InArchives
)  # fmt: skip


def words_wanted(query: Query) -> list[Word | Phrase | Pattern]:
    """Return the words that matches may contain: all words of the query except negated ones."""
    match query:
        case All(parts) | Any(parts):
            return [leaf for part in parts for leaf in words_wanted(part)]
        case Word() | Phrase() | Pattern():
            return [query]
        case _:
            return []


def split_pattern(pattern: str) -> tuple[str, str]:
    """Split a pattern into its literal prefix and the rest."""
    end = min((at for at in (pattern.find("*"), pattern.find("?")) if at >= 0), default=len(pattern))
    return pattern[:end], pattern[end:]
