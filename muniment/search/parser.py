"""Parses the query language into a tree. docs/reference/query-language.md describes it for users."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from muniment.errors import BadQuery, BadTerm
from muniment.search import terms, tokens
from muniment.search.field_names import TEXTS
from muniment.search.query import All, Any, Field, Mine, Not, Query
from muniment.search.terms import ALWAYS, MAX_PHRASE, joined
from muniment.search.tokens import Kind, Token
from muniment.search.values import EVERYTHING, READERS, Clock, continues

__all__ = ["MAX_CHARACTERS", "MAX_DEPTH", "MAX_PHRASE", "MAX_TERMS", "Parsed", "parse", "parse_query"]

MAX_CHARACTERS = 4096
MAX_TERMS = 100
MAX_DEPTH = 30

_OR = frozenset({"or", "Or", "|", "||"})
_AND = frozenset({"and", "And", "&", "&&", "+"})
_TRANSLATED = {"ODER": "OR", "OU": "OR", "UND": "AND", "ET": "AND", "NICHT": "NOT", "SAUF": "NOT"}
_NEAR = ("AROUND", "NEAR")
_LIST = re.compile(r"[,;]")
_PEOPLE = frozenset({Field.FROM, Field.TO, Field.CC, Field.REPLY_TO, Field.SENT_BY})


@dataclass(frozen=True)
class Parsed:
    """A query, and what its author should know about how it was understood."""

    query: Query
    notes: tuple[str, ...]


def parse(text: str, *, now: datetime, zone: tzinfo) -> Query:
    """Parse a query; words such as `yesterday` are relative to `now` in `zone`.

    Raises BadQuery with the position of the error; a query without any letter or digit is an error, too.
    """
    return parse_query(text, now=now, zone=zone).query


def parse_query(text: str, *, now: datetime, zone: tzinfo) -> Parsed:
    """Parse a query as `parse` does, and return what its author should know as well."""
    if len(text) > MAX_CHARACTERS:
        raise BadQuery(f"a query has at most {MAX_CHARACTERS:,} characters", text[:60] + " …", 0)
    parser = _Parser(text, now, zone)
    return Parsed(parser.query(), tuple(dict.fromkeys(parser.notes)))


class _Parser:
    """Recursive descent: alternatives of sequences of terms."""

    def __init__(self, text: str, now: datetime, zone: tzinfo) -> None:
        found = tokens.split(text)
        self._text, self._tokens, self.notes = found.query, found.tokens, found.notes
        self._clock = Clock(now, zone, self.notes)
        self._at = 0
        self._terms = 0
        self._depth = 0

    def query(self) -> Query:
        if not self._text.strip():
            raise self._bad("nothing to search for", self._next)
        found = ALWAYS if self._is_at_end() else self._alternatives(None)
        if found == ALWAYS:
            raise BadQuery("the query contains no letter or digit to search for", self._text, 0)
        return found

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _is_at_end(self) -> bool:
        return self._next.kind is Kind.END

    def _take(self) -> Token:
        token = self._next
        self._at += 1
        return token

    def _bad(self, message: str, token: Token, *, hint: str | None = None) -> BadQuery:
        return BadQuery(message, self._text, token.position, hint=hint)

    def _is_word(self, *texts: str) -> bool:
        return self._next.kind is Kind.WORD and self._next.text in texts

    def _is_between(self, texts: frozenset[str]) -> bool:
        """Whether the next token is one of these words, and another term follows."""
        following = self._tokens[self._at + 1] if self._is_word(*texts) else None
        return following is not None and not _ends(following) and following.text not in {*_OR, "OR"}

    def _alternatives(self, field: Token | None) -> Query:
        parts = [self._sequence(field)]
        while self._is_word("OR", *_OR):
            token = self._take()
            if token.text.isalpha() and token.text != "OR":
                self.notes.append(f'"{token.text}" means OR here; to search for the word, write it in quotes')
            parts.append(self._sequence(field))
        return joined(Any, parts)

    def _sequence(self, field: Token | None) -> Query:
        parts: list[Query] = []
        while not _ends(self._next) and not self._is_word("OR") and not (parts and self._is_between(_OR)):
            if self._is_word("AND"):
                token = self._take()
                if not parts or _ends(self._next) or self._is_word("OR"):
                    raise self._bad("AND must be between two terms", token)
            elif parts and self._is_between(_AND):
                self._take()
            else:
                parts.append(self._term(field))
        if not parts:
            raise self._bad("a term is missing", self._next, hint='To search for the word "or", write it in quotes.')
        return joined(All, parts)

    def _term(self, field: Token | None) -> Query:
        token = self._take()
        if token.kind is Kind.MINUS or (token.kind is Kind.WORD and token.text == "NOT"):
            if _ends(self._next):
                raise self._bad("NOT and - must be followed by a term", token)
            unwanted = self._deeper(token, lambda: self._term(field))
            return unwanted if unwanted == ALWAYS else Not(unwanted)
        if token.kind in {Kind.OPEN, Kind.EITHER}:
            return self._group(token, field)
        if token.kind is Kind.FIELD:
            if field is not None:
                raise self._bad(f"{token.text}: cannot be used inside {field.text}:", token)
            if self._next.kind in {Kind.OPEN, Kind.EITHER}:
                return self._group(self._take(), token)
            return self._value(token, self._take())
        self._check_word(token)
        return self._words((), token) if field is None else self._value(field, token)

    def _check_word(self, token: Token) -> None:
        near, _, distance = token.text.partition("/") if token.kind is Kind.WORD else ("", "", "")
        if near in _NEAR and (distance or self._next.kind is Kind.OPEN or self._next.text.isdigit()):
            raise self._bad(
                f"{token.text} is not supported",
                token,
                hint='Write adjacent words in quotes: "red book". Without them, words are found anywhere.',
            )
        if token.kind is Kind.WORD and token.text in _TRANSLATED and not _ends(self._next):
            self.notes.append(f'"{token.text}" was searched as a word; did you mean {_TRANSLATED[token.text]}?')
        if token.kind is Kind.WORD and token.text == "not" and not _ends(self._next):
            self.notes.append('"not" was searched as a word; to exclude a term, write NOT or -')

    def _group(self, opened: Token, field: Token | None) -> Query:
        if opened.kind is Kind.EITHER:
            found = self._deeper(opened, lambda: self._either(field))
        else:
            found = self._deeper(opened, lambda: self._alternatives(field))
        self._take()
        return found

    def _either(self, field: Token | None) -> Query:
        """Return the query for Gmail's `{one another}`: one of the terms."""
        parts: list[Query] = []
        while not _ends(self._next):
            if self._is_word("OR", "AND", *_OR, *_AND):
                self._take()
            else:
                parts.append(self._term(field))
        return joined(Any, parts)

    def _deeper(self, token: Token, read: Callable[[], Query]) -> Query:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._bad(f"parentheses are nested deeper than {MAX_DEPTH}", token)
        found = read()
        self._depth -= 1
        return found

    def _count(self, token: Token) -> None:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise self._bad(f"a query has at most {MAX_TERMS} terms", token)

    def _words(self, fields: tuple[Field, ...], token: Token) -> Query:
        """Return the query for a term in one of the fields (none: anywhere); one without words is always true."""
        self._count(token)
        if token.kind is Kind.WORD and terms.is_fuzzy(token.text):
            self.notes.append(f"{token.text}: similar words and weights are not supported; the word itself is searched")
        read = terms.quoted if token.kind is Kind.QUOTED else terms.plain
        try:
            found = joined(Any, [read(field, token.text) for field in fields or (None,)])
        except BadTerm as error:
            raise self._bad(str(error), token, hint=error.hint) from error
        equal = tokens.equation(token.text) if token.kind is Kind.WORD and not fields else None
        if equal and equal[0] in TEXTS:
            value = Token(Kind.WORD, equal[1], token.position)
            return joined(Any, [self._words(TEXTS[equal[0]], value), found])
        return found

    def _value(self, field: Token, value: Token) -> Query:
        """Return the query for `field:value`."""
        if value.kind not in {Kind.WORD, Kind.QUOTED}:
            raise self._bad(
                f"{field.text}: must be followed by a value",
                field,
                hint=f'To search for the word "{field.text}", write it in quotes.',
            )
        if field.text in TEXTS:
            return self._in_texts(TEXTS[field.text], value)
        self._count(value)
        following = self._next.text if self._next.kind is Kind.WORD and value.kind is Kind.WORD else ""
        text = continues(field.text, value.text, following)
        if text != value.text:
            self._take()
        try:
            return READERS[field.text](text, self._clock)
        except BadTerm as error:
            raise self._bad(str(error), value, hint=error.hint) from error

    def _in_texts(self, fields: tuple[Field, ...], value: Token) -> Query:
        if value.kind is Kind.WORD and value.text == "me" and fields and _PEOPLE.issuperset(fields):
            return joined(Any, [Mine(field) for field in fields])
        if value.kind is Kind.WORD and (addresses := _addresses(value.text)):
            return joined(Any, [self._words(fields, replace(value, text=one)) for one in addresses])
        found = self._words(fields, value)
        return EVERYTHING if found == ALWAYS and value.text.strip("*") == "" and not fields else found


def _addresses(text: str) -> list[str]:
    """Return the addresses of a list such as `anna@x.example,ben@x.example`; empty if it is none."""
    parts = [part for part in _LIST.split(text) if part]
    return parts if len(parts) > 1 and all("@" in part for part in parts) else []


def _ends(token: Token) -> bool:
    return token.kind in {Kind.END, Kind.CLOSE, Kind.END_EITHER}
