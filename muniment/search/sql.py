"""Queries as SQL conditions on the documents in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import LiteralString

from muniment.db.documents import Condition, placeholder
from muniment.search import scores
from muniment.search.port import Request
from muniment.search.query import (
    All,
    Any,
    Dated,
    Field,
    Flagged,
    HasAttachment,
    InArchives,
    InFolders,
    MessageId,
    Not,
    OfType,
    Pattern,
    Phrase,
    Query,
    Received,
    Sized,
    Word,
    split_pattern,
)
from muniment.search.scores import scored
from muniment.search.vectors import PEOPLE, PREFIXES, WEIGHTS

_WORTH: tuple[tuple[str, int], ...] = (
    (WEIGHTS[Field.SUBJECT], scores.SUBJECT),
    (PEOPLE, scores.PEOPLE),
    (WEIGHTS[Field.BODY], scores.BODY),
    (WEIGHTS[Field.ATTACHMENT], scores.ATTACHMENT),
)
_NEVER: LiteralString = "false"
_ALWAYS: LiteralString = "true"


def condition(request: Request) -> Condition:
    """Return the condition that holds for documents that match and that the searcher may see."""
    writer = _Writer(request.archives)
    allowed = "d.is_filed" if request.archives is None else writer.archives(request.archives)
    return Condition("(" + allowed + " AND " + writer.sql(request.query) + ")", tuple(writer.arguments))


def score(request: Request, arguments: int) -> Condition:
    """Return the SQL for a document's score: the sum, over all words, of the values of the parts that contain the word.

    `arguments`: number of arguments that precede those of the score.
    """
    terms: list[LiteralString] = []
    values: list[object] = []
    for leaf in scored(request.query):
        for weight, worth in _WORTH:
            values += [_weighed(leaf, weight), worth]
            query, points = placeholder(arguments + len(values) - 1), placeholder(arguments + len(values))
            terms.append("CASE WHEN d.document @@ " + query + "::text::tsquery THEN " + points + "::integer ELSE 0 END")
    return Condition(" + ".join(terms) if terms else "0", tuple(values))


def _weighed(leaf: Word | Phrase | Pattern, weight: str) -> str:
    """Return a tsquery for a word in the parts with this weight."""
    match leaf:
        case Word(_, wanted):
            return " | ".join(_marked(one, weight) for one in (wanted.word, *wanted.others))
        case Phrase(_, words, is_open):
            return _adjacent([(word, weight) for word in words], is_open=is_open)
        case Pattern(_, pattern):
            return _marked(split_pattern(pattern)[0], "*" + weight)


class _Writer:
    def __init__(self, archives: tuple[int, ...] | None) -> None:
        self._archives = archives
        self.arguments: list[object] = []

    def archives(self, ids: tuple[int, ...]) -> LiteralString:
        return "d.archives && " + self._argument(list(ids)) + "::bigint[]"

    def sql(self, query: Query) -> LiteralString:  # noqa: C901, PLR0911, PLR0912 - a case for each kind
        match query:
            case All(parts):
                return "(" + " AND ".join([self.sql(part) for part in parts]) + ")" if parts else _ALWAYS
            case Any(parts):
                return "(" + " OR ".join([self.sql(part) for part in parts]) + ")" if parts else _NEVER
            case Not(part):
                return "NOT " + self.sql(part)
            case Word():
                return self._fits(word_query(query))
            case Pattern():
                return self._pattern(query)
            case Phrase():
                return self._phrase(query)
            case Dated(first, end):
                return self._between("d.date", first, end, "timestamptz", ">=")
            case Received(first, end):
                return self._between("coalesce(d.received, d.date)", first, end, "timestamptz", ">=")
            case Sized(above, below):
                return self._between("d.size", above, below, "bigint", ">")
            case HasAttachment():
                return "d.has_attachment"
            case OfType(kind):
                return self._argument(kind) + "::text = ANY (d.types)"
            case Flagged(flag):
                return self._flagged(flag.value)
            case MessageId(header_id):
                return (
                    "d.header_id IN (" + self._argument(header_id) + "::text, " + self._argument(f"<{header_id}>") + ")"
                )
            case InFolders(ids):
                return "d.folders && " + self._argument(list(ids)) + "::bigint[]"
            case InArchives(ids):
                return self.archives(ids)
        raise AssertionError(f"unresolved: {query}")

    def _argument(self, value: object) -> LiteralString:
        self.arguments.append(value)
        return placeholder(len(self.arguments))

    def _fits(self, tsquery: str) -> LiteralString:
        return "d.document @@ " + self._argument(tsquery) + "::text::tsquery"

    def _between(
        self, column: LiteralString, low: object, high: object, kind: LiteralString, above: LiteralString
    ) -> LiteralString:
        bounds: list[LiteralString] = []
        if low is not None:
            bounds.append(column + " " + above + " " + self._argument(low) + "::" + kind)
        if high is not None:
            bounds.append(column + " < " + self._argument(high) + "::" + kind)
        return "(" + " AND ".join(bounds) + ")"

    def _flagged(self, flag: str) -> LiteralString:
        """Match a flag, but only in archives that may be read."""
        if self._archives is None:
            return "EXISTS (SELECT FROM unnest(d.flags) AS flag WHERE split_part(flag, '/', 2) = " + (
                self._argument(flag) + "::text)"
            )
        return "d.flags && " + self._argument([f"{archive}/{flag}" for archive in self._archives]) + "::text[]"

    def _pattern(self, pattern: Pattern) -> LiteralString:
        """Find words by the pattern's literal prefix, using the index, then compare each with the whole pattern."""
        beginning, rest = split_pattern(pattern.pattern)
        prefix = _prefix(pattern.field)
        found = self._fits(_marked(f"{prefix}{beginning}", "*" + _weight(pattern.field))) if beginning else _ALWAYS
        if rest == "*":
            return found
        like = prefix + pattern.pattern.replace("*", "%").replace("?", "_")
        # A pattern that begins with a wildcard must not find stems, or the twins of a word in other fields.
        words: LiteralString = _ALWAYS if beginning or prefix else "u.lexeme !~ '^[~@]'"
        looked: LiteralString = "EXISTS (SELECT FROM unnest(d.document) AS u WHERE u.lexeme LIKE "
        weight = _weight(pattern.field)
        weights = self._argument(weight) + "::text = ANY (u.weights)" if weight else _ALWAYS
        return "(" + found + " AND " + looked + self._argument(like) + "::text AND " + words + " AND " + weights + "))"

    def _phrase(self, phrase: Phrase) -> LiteralString:
        exact = phrase_query(phrase)
        if len(phrase.words) == 1:
            return self._fits(exact)
        marks = _marks(phrase.field, phrase.words)
        every = " & ".join([*(_marked(*one) for one in marks[:-1]), _marked_last(*marks[-1], is_open=phrase.is_open)])
        passage: LiteralString = (
            "EXISTS (SELECT FROM search_passages AS p WHERE p.message_id = d.message_id AND p.store_id = d.store_id"
            " AND p.words @@ " + self._argument(exact) + "::text::tsquery)"
        )
        return "(" + self._fits(every) + " AND (" + self._fits(exact) + " OR (d.is_long AND " + passage + ")))"


def word_query(word: Word) -> str:
    """Return a tsquery for a word, or another word with the same stem."""
    return " | ".join(_word(one, word.field) for one in (word.wanted.word, *word.wanted.others))


def phrase_query(phrase: Phrase) -> str:
    """Return a tsquery for adjacent words."""
    return _adjacent(_marks(phrase.field, phrase.words), is_open=phrase.is_open)


def _adjacent(marks: Sequence[tuple[str, str]], *, is_open: bool) -> str:
    """Return a tsquery for adjacent words with their marks; `is_open`: the last may go on."""
    return " <-> ".join([*(_marked(*one) for one in marks[:-1]), _marked_last(*marks[-1], is_open=is_open)])


def _marks(field: Field | None, words: Sequence[str]) -> list[tuple[str, str]]:
    return [(_prefix(field) + word, _weight(field)) for word in words]


def _marked_last(lexeme: str, marks: str, *, is_open: bool) -> str:
    return _marked(lexeme, f"*{marks}" if is_open else marks)


def _word(word: str, field: Field | None) -> str:
    return _marked(_prefix(field) + word, _weight(field))


def _marked(lexeme: str, marks: str) -> str:
    return f"'{lexeme}':{marks}" if marks else f"'{lexeme}'"


def _prefix(field: Field | None) -> str:
    return PREFIXES.get(field, "") if field else ""


def _weight(field: Field | None) -> str:
    return WEIGHTS.get(field, "") if field else ""
