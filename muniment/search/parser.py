"""Parses the query language into a tree. docs/reference/query-language.md describes it for users."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum

from muniment.errors import BadQuery
from muniment.search.dates import read_span
from muniment.search.query import (
    STEMMED,
    All,
    Any,
    Dated,
    Field,
    Flag,
    Flagged,
    HasAttachment,
    InArchive,
    InFolder,
    MessageId,
    Not,
    OfType,
    Pattern,
    Phrase,
    Query,
    Sized,
    Word,
)
from muniment.search.words import Wanted, fold, is_character, is_paired, wanted_words

MAX_CHARACTERS = 4096
MAX_TERMS = 100
MAX_DEPTH = 30
#: Maximum number of words in a phrase. An index may split long texts into passages that overlap by this many words.
MAX_PHRASE = 100

_QUOTES = {'"': '"', "“": "”", "„": "“”", "«": "»"}
_SPACE = re.compile(r"\s+")
_NAME = re.compile(r"([A-Za-z]+):(?!//)(?=\S)")
_PLAIN = re.compile(r'[^\s()"]+')
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s?([kmg]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_WILD = re.compile(r"[*?]")
_WILD_WORD = re.compile(r"((?:[^\W_]|[*?])*[*?](?:[^\W_]|[*?])*)")
_ALWAYS = All(())
_IS = {"flagged": Flag.FLAGGED, "read": Flag.READ, "answered": Flag.ANSWERED, "draft": Flag.DRAFT}
_NAMES = {Field.SENT_BY: "sender"}
_FIELDS = {_NAMES.get(field, field.value): field for field in Field if field is not Field.DELIVERED}


class _Kind(StrEnum):
    OPEN = "("
    CLOSE = ")"
    MINUS = "-"
    FIELD = "field"
    WORD = "word"
    QUOTED = "quoted"
    END = "end"


@dataclass(frozen=True)
class _Token:
    kind: _Kind
    text: str
    position: int


def parse(text: str, *, now: datetime, zone: tzinfo) -> Query:
    """Parse a query; words such as `yesterday` are relative to `now` in `zone`.

    Raises BadQuery with the position of the error; a query without any letter or digit is an error, too.
    """
    if len(text) > MAX_CHARACTERS:
        raise BadQuery(f"a query has at most {MAX_CHARACTERS:,} characters", text[:60] + " …", 0)
    return _Parser(text, now, zone).query()


class _Parser:
    """Recursive descent: alternatives of sequences of terms."""

    def __init__(self, text: str, now: datetime, zone: tzinfo) -> None:
        self._text = _SPACE.sub(" ", text)
        self._now, self._zone = now, zone
        self._tokens = _tokens(self._text)
        self._at = 0
        self._terms = 0
        self._depth = 0

    def query(self) -> Query:
        if self._is_at_end():
            raise self._bad("nothing to search for", self._next)
        found = self._alternatives(None)
        if not self._is_at_end():
            raise self._bad("this ) has no matching (", self._next)
        if found == _ALWAYS:
            raise BadQuery("the query contains no letter or digit to search for", self._text, 0)
        return found

    @property
    def _next(self) -> _Token:
        return self._tokens[self._at]

    def _is_at_end(self) -> bool:
        return self._next.kind is _Kind.END

    def _take(self) -> _Token:
        token = self._next
        self._at += 1
        return token

    def _bad(self, message: str, token: _Token, *, hint: str | None = None) -> BadQuery:
        return BadQuery(message, self._text, token.position, hint=hint)

    def _is_word(self, text: str) -> bool:
        return self._next.kind is _Kind.WORD and self._next.text == text

    def _alternatives(self, field: _Token | None) -> Query:
        parts = [self._sequence(field)]
        while self._is_word("OR"):
            self._take()
            parts.append(self._sequence(field))
        return self._joined(Any, parts)

    def _joined(self, kind: type[All | Any], parts: list[Query]) -> Query:
        """Join parts, leaving out those that search for nothing."""
        parts = [part for part in parts if part != _ALWAYS]
        if not parts:
            return _ALWAYS
        return parts[0] if len(parts) == 1 else kind(tuple(parts))

    def _sequence(self, field: _Token | None) -> Query:
        parts: list[Query] = []
        while not self._ends_sequence():
            if self._is_word("AND"):
                token = self._take()
                if not parts or self._ends_sequence():
                    raise self._bad("AND must be between two terms", token)
                continue
            parts.append(self._term(field))
        if not parts:
            raise self._bad("a term is missing", self._next, hint='To search for the word "or", write it in quotes.')
        return self._joined(All, parts)

    def _ends_sequence(self) -> bool:
        return self._next.kind in {_Kind.END, _Kind.CLOSE} or self._is_word("OR")

    def _term(self, field: _Token | None) -> Query:
        token = self._take()
        if token.kind is _Kind.MINUS or (token.kind is _Kind.WORD and token.text == "NOT"):
            if self._next.kind in {_Kind.END, _Kind.CLOSE}:
                raise self._bad("NOT and - must be followed by a term", token)
            unwanted = self._deeper(token, lambda: self._term(field))
            return unwanted if unwanted == _ALWAYS else Not(unwanted)
        if token.kind is _Kind.OPEN:
            return self._group(token, field)
        if token.kind is _Kind.FIELD:
            if field is not None:
                raise self._bad(f"{token.text}: cannot be used inside {field.text}:", token)
            if self._next.kind is _Kind.OPEN:
                return self._group(self._take(), token)
            return self._value(token, self._take())
        self._count(token)
        if field is not None:
            return self._value(field, token)
        return self._words(None, token)

    def _group(self, opened: _Token, field: _Token | None) -> Query:
        if self._next.kind is _Kind.CLOSE:
            raise self._bad("there is nothing between the parentheses", opened)
        found = self._deeper(opened, lambda: self._alternatives(field))
        if self._take().kind is not _Kind.CLOSE:
            raise self._bad("this ( is never closed", opened)
        return found

    def _deeper(self, token: _Token, read: Callable[[], Query]) -> Query:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._bad(f"parentheses are nested deeper than {MAX_DEPTH}", token)
        found = read()
        self._depth -= 1
        return found

    def _count(self, token: _Token) -> None:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise self._bad(f"a query has at most {MAX_TERMS} terms", token)

    def _words(self, field: Field | None, token: _Token) -> Query:
        """Return the query for a term; a term without words, such as `&`, is always true."""
        if token.kind is _Kind.WORD and _WILD.search(token.text):
            return self._pattern(field, token)
        wanted = wanted_words(token.text)
        if not wanted:
            return _ALWAYS
        if len(wanted) > MAX_PHRASE:
            raise self._bad(f"a phrase has at most {MAX_PHRASE} words", token)
        if len(wanted) == 1 and is_character(wanted[0]):
            return Pattern(field, wanted[0].word + "*")
        if len(wanted) == 1 and token.kind is _Kind.WORD:
            return Word(field, wanted[0] if field in {None, *STEMMED} else Wanted(wanted[0].word))
        return Phrase(field, tuple(one.word for one in wanted))

    def _pattern(self, field: Field | None, token: _Token) -> Query:
        """Return the query for a term with wildcards: the words that contain `*` or `?`, and the text between them."""
        parts: list[Query] = []
        for number, piece in enumerate(_WILD_WORD.split(token.text)):
            plain = piece.strip("*")
            if number % 2 == 0 or is_paired(plain):
                parts.append(self._words(field, _Token(_Kind.QUOTED, _WILD.sub("", piece), token.position)))
            elif plain and _WILD.match(piece):
                raise self._bad(
                    "a word cannot begin with * or ?", token, hint="Only the end of a word can be open: invoi*."
                )
            elif plain:
                parts.append(Pattern(field, fold(piece)))
        return self._joined(All, parts)

    def _value(self, field: _Token, value: _Token) -> Query:
        """Return the query for `field:value`."""
        if value.kind not in {_Kind.WORD, _Kind.QUOTED}:
            raise self._bad(f"{field.text}: must be followed by a value", field)
        self._count(value)
        if field.text in _FIELDS:
            return self._words(_FIELDS[field.text], value)
        return _READERS[field.text](self, value)

    def _before(self, value: _Token) -> Query:
        return Dated(None, self._span(value)[0])

    def _after(self, value: _Token) -> Query:
        return Dated(self._span(value)[1], None)

    def _on(self, value: _Token) -> Query:
        first, end = self._span(value)
        if first == end:
            raise self._bad("on: requires a day, a month, a year or a week", value, hint="after:30d: the last 30 days.")
        return Dated(first, end)

    def _span(self, value: _Token) -> tuple[datetime, datetime]:
        span = read_span(value.text, self._now, self._zone)
        if span is None:
            raise self._bad(
                f"{value.text} is not a date",
                value,
                hint="Dates: 2024, 2024-03, 2024-03-17, yesterday, last-month, 30d.",
            )
        return span

    def _larger(self, value: _Token) -> Query:
        return Sized(self._size(value), None)

    def _smaller(self, value: _Token) -> Query:
        return Sized(None, self._size(value))

    def _size(self, value: _Token) -> int:
        match = _SIZE.fullmatch(value.text)
        if match is None or len(match[1]) > 12:
            raise self._bad(f"{value.text} is not a size", value, hint="Sizes: 2000 (bytes), 100k, 5M, 1.5G.")
        return int(float(match[1]) * _UNITS[match[2].lower()])

    def _has(self, value: _Token) -> Query:
        if value.text.lower() not in {"attachment", "attachments"}:
            raise self._bad(f"has:{value.text} is unknown", value, hint="Use has:attachment.")
        return HasAttachment()

    def _is(self, value: _Token) -> Query:
        name = value.text.lower()
        if name == "unread":
            return Not(Flagged(Flag.READ))
        if name not in _IS:
            raise self._bad(f"is:{value.text} is unknown", value, hint=f"Use one of {', '.join([*_IS, 'unread'])}.")
        return Flagged(_IS[name])

    def _type(self, value: _Token) -> Query:
        return OfType(fold(value.text))

    def _message_id(self, value: _Token) -> Query:
        return MessageId(value.text.strip("<>"))

    def _folder(self, value: _Token) -> Query:
        names = tuple(fold(name.strip()) for name in value.text.strip("/").split("/"))
        if not all(names):
            raise self._bad(
                "a folder's name is missing", value, hint="Separate folder names with slashes: folder:inbox/projects."
            )
        return InFolder(names)

    def _archive(self, value: _Token) -> Query:
        return InArchive(value.text)


_READERS: dict[str, Callable[[_Parser, _Token], Query]] = {
    "before": _Parser._before,  # noqa: SLF001 - the table belongs to the class
    "after": _Parser._after,  # noqa: SLF001
    "on": _Parser._on,  # noqa: SLF001
    "larger": _Parser._larger,  # noqa: SLF001
    "smaller": _Parser._smaller,  # noqa: SLF001
    "has": _Parser._has,  # noqa: SLF001
    "is": _Parser._is,  # noqa: SLF001
    "type": _Parser._type,  # noqa: SLF001
    "messageid": _Parser._message_id,  # noqa: SLF001
    "folder": _Parser._folder,  # noqa: SLF001
    "archive": _Parser._archive,  # noqa: SLF001
}

#: All field names that may precede a colon.
FIELDS = (*_FIELDS, *_READERS)


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while position < len(text):
        mark = text[position]
        if mark == " ":
            position += 1
        elif mark in "()":
            tokens.append(_Token(_Kind(mark), mark, position))
            position += 1
        elif mark in _QUOTES:
            position = _quoted(text, position, tokens)
        elif mark == "-" and text[position + 1 : position + 2].strip():
            tokens.append(_Token(_Kind.MINUS, mark, position))
            position += 1
        else:
            position = _plain(text, position, tokens)
    tokens.append(_Token(_Kind.END, "", len(text)))
    return tokens


def _quoted(text: str, position: int, tokens: list[_Token]) -> int:
    closing = _QUOTES[text[position]] + '"'
    end = next((at for at in range(position + 1, len(text)) if text[at] in closing), -1)
    if end < 0:
        raise BadQuery("this quotation mark is never closed", text, position)
    tokens.append(_Token(_Kind.QUOTED, text[position + 1 : end], position))
    return end + 1


def _plain(text: str, position: int, tokens: list[_Token]) -> int:
    if match := _NAME.match(text, position):
        name = match[1].lower()
        if name not in FIELDS:
            raise BadQuery(
                f"unknown field {match[1]}:",
                text,
                position,
                hint=f"Fields: {' '.join(f'{name}:' for name in FIELDS)} To search for the text, write it in quotes.",
            )
        tokens.append(_Token(_Kind.FIELD, name, position))
        # The value follows, even if it begins with a minus sign.
        position = match.end()
        if text[position] in "()" or text[position] in _QUOTES:
            return position
    word = _PLAIN.match(text, position)
    end = word.end() if word else position + 1
    tokens.append(_Token(_Kind.WORD, text[position:end], position))
    return end
