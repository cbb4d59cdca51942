"""Splits a query into tokens. What cannot be an operator, such as a lone parenthesis, is text, and a note says so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from muniment.errors import BadQuery
from muniment.search.field_names import Meaning, meaning
from muniment.search.words import visible

_QUOTES = {'"': '"', "“": "”", "„": "“”", "«": "»", "»": "«"}
_SPACE = re.compile(r"\s+")
_NAME = re.compile(r"([A-Za-zÀ-ÿ][\w-]*)(?:: ?| : )")
_EQUAL = re.compile(r"([A-Za-z]+)=(?=[^\s=])")
_WEIGHT = re.compile(r"[~^]\d+")
_PLAIN = re.compile(r'[^\s(){}"]+')
_URL = re.compile(r"<?[A-Za-z][A-Za-z0-9+.-]*://[^\s\"]+")
# As typed on an Asian keyboard.
_WIDE = str.maketrans("：（）＂＊？＝｛｝｜", ':()"*?={}|')


class Kind(StrEnum):
    """What a token is."""

    OPEN = "("
    CLOSE = ")"
    EITHER = "{"
    END_EITHER = "}"
    MINUS = "-"
    FIELD = "field"
    WORD = "word"
    QUOTED = "quoted"
    END = "end"


_BRACKETS = {Kind.CLOSE: Kind.OPEN, Kind.END_EITHER: Kind.EITHER}


@dataclass(frozen=True)
class Token:
    """A token at a position of the query; `text` of a field: its name as listed, not as typed."""

    kind: Kind
    text: str
    position: int


@dataclass(frozen=True)
class Tokens:
    """The tokens of a query, the query as positions count it, and notes on what was taken as text."""

    query: str
    tokens: list[Token]
    notes: list[str]


def split(text: str) -> Tokens:
    """Return the tokens of a query; BadQuery for a field that does not exist."""
    query = _SPACE.sub(" ", visible(text).translate(_WIDE))
    reader = _Reader(query)
    reader.read()
    kept = _balanced(reader.tokens, reader.notes)
    return Tokens(query, [*kept, Token(Kind.END, "", len(query))], reader.notes)


class _Reader:
    def __init__(self, query: str) -> None:
        self._query = query
        self.tokens: list[Token] = []
        self.notes: list[str] = []

    def read(self) -> None:
        position = 0
        while position < len(self._query):
            position = self._next(position)

    def _next(self, position: int) -> int:
        query = self._query
        mark = query[position]
        if mark == " ":
            return position + 1
        if mark in "(){}":
            return self._add(Kind(mark), position, position + 1)
        if mark in _QUOTES and (end := self._closing(position)) > 0:
            self.tokens.append(Token(Kind.QUOTED, query[position + 1 : end], position))
            weighed = _WEIGHT.match(query, end + 1)
            return weighed.end() if weighed else end + 1
        if mark == "-" and query[position + 1 : position + 2].strip():
            return self._add(Kind.MINUS, position, position + 1)
        if mark == '"':
            self.notes.append(f"the quotation mark at character {position + 1} has no partner and is ignored")
            return position + 1
        return self._field(position) or self._word(position)

    def _closing(self, position: int) -> int:
        closing = _QUOTES[self._query[position]] + '"'
        return min((at for mark in closing if (at := self._query.find(mark, position + 1)) > 0), default=-1)

    def _field(self, position: int) -> int:
        """Read the name of a field, and return where its value begins; 0 if it is text."""
        match = _NAME.match(self._query, position)
        if match is None:
            return 0
        rest = self._query[match.end() :].split(" ", 1)[0]
        is_apart = match[0].endswith(" ") or match.end() == len(self._query)
        found = meaning(match[1], rest, is_apart=is_apart)
        if found.note:
            self.notes.append(found.note)
        if found.error:
            raise BadQuery(found.error, self._query, position, hint=found.hint)
        if not found.field:
            return 0
        self.tokens.append(Token(Kind.FIELD, found.field, position))
        end = match.end()
        if is_apart or self._query[end] in "(){" or self._query[end] in _QUOTES:
            return end
        return self._word(end)  # even if it begins with a minus sign

    def _word(self, position: int) -> int:
        if url := _URL.match(self._query, position):
            return self._add(Kind.WORD, position, url.end())
        word = _PLAIN.match(self._query, position)
        return self._add(Kind.WORD, position, word.end() if word else position + 1)

    def _add(self, kind: Kind, start: int, end: int) -> int:
        self.tokens.append(Token(kind, self._query[start:end], start))
        return end


def equation(text: str) -> tuple[str, str] | None:
    """Return the field and the value of a term such as `from=anna`; None if it is none."""
    match = _EQUAL.match(text)
    found = Meaning() if match is None else meaning(match[1], text[match.end() :], is_apart=True)
    return (found.field, text[match.end() :]) if match and found.field else None


def _balanced(tokens: Sequence[Token], notes: list[str]) -> list[Token]:
    """Leave out brackets without a partner, and those with nothing between them."""
    lone: set[int] = set()
    opened: list[int] = []
    for number, token in enumerate(tokens):
        if token.kind in {Kind.OPEN, Kind.EITHER}:
            opened.append(number)
        elif token.kind in _BRACKETS:
            if opened and tokens[opened[-1]].kind is _BRACKETS[token.kind]:
                start = opened.pop()
                if all(between in lone for between in range(start + 1, number)):
                    lone |= {start, number}
            else:
                lone.add(number)
                notes.append(f"the {token.text} at character {token.position + 1} has no partner and is ignored")
    for number in opened:
        lone.add(number)
        token = tokens[number]
        notes.append(f"the {token.text} at character {token.position + 1} has no partner and is ignored")
    return [token for number, token in enumerate(tokens) if number not in lone]
