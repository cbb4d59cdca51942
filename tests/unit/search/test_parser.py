from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.errors import BadQuery
from muniment.search import parse
from muniment.search.dates import read_span
from muniment.search.parser import FIELDS, MAX_CHARACTERS, MAX_DEPTH, MAX_PHRASE, MAX_TERMS
from muniment.search.query import All, Any, Dated, Field, Not, Pattern, Phrase, Query, Sized, Word
from muniment.search.words import Wanted

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def read(text: str) -> Query:
    """Parse at a fixed moment."""
    return parse(text, now=NOW, zone=UTC)


def word(text: str, field: Field | None = None) -> Word:
    """Return a word without stems: too short to have any."""
    return Word(field, Wanted(text))


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("ab", word("ab")),
        ("ab cd", All((word("ab"), word("cd")))),
        ("ab AND cd", All((word("ab"), word("cd")))),
        ("ab OR cd ef", Any((word("ab"), All((word("cd"), word("ef")))))),
        ("ab -cd", All((word("ab"), Not(word("cd"))))),
        ("NOT ab", Not(word("ab"))),
        ("-(ab OR cd)", Not(Any((word("ab"), word("cd"))))),
        ('"ab cd"', Phrase(None, ("ab", "cd"))),
        ('"ab"', Phrase(None, ("ab",))),
        ("„ab cd“", Phrase(None, ("ab", "cd"))),
        ("a1-b2", Phrase(None, ("a1", "b2"))),
        ("ab*", Pattern(None, "ab*")),
        ("a?c*", Pattern(None, "a?c*")),
        ("Ä*", Pattern(None, "a*")),
        ("from:ab", word("ab", Field.FROM)),
        ("FROM:ab", word("ab", Field.FROM)),
        ("from:(ab OR -cd)", Any((word("ab", Field.FROM), Not(word("cd", Field.FROM))))),
        ("filename:*.ab", Phrase(Field.FILENAME, ("ab",))),
        ("ab & cd", All((word("ab"), word("cd")))),
        ("ab -& cd", All((word("ab"), word("cd")))),
        ("ab OR &", word("ab")),
        ("ab: cd", All((word("ab"), word("cd")))),
        ("ab  ", word("ab")),
        ("larger:2k", Sized(2048, None)),
        ("smaller:1.5M", Sized(None, 1572864)),
        ("larger:7", Sized(7, None)),
    ],
)  # fmt: skip
def test_what_a_query_means(text: str, query: Query) -> None:
    """Operators bind as in every search engine."""
    assert read(text) == query


@pytest.mark.parametrize(
    ("text", "first", "end"),
    [
        ("2024", "2024-01-01", "2025-01-01"),
        ("2024-03", "2024-03-01", "2024-04-01"),
        ("2024-12-31", "2024-12-31", "2025-01-01"),
        ("2024/2/29", "2024-02-29", "2024-03-01"),
        ("today", "2026-11-27", "2026-11-28"),
        ("yesterday", "2026-11-26", "2026-11-27"),
        ("this-week", "2026-11-23", "2026-11-30"),
        ("last-week", "2026-11-16", "2026-11-23"),
        ("last-month", "2026-10-01", "2026-11-01"),
        ("This-Year", "2026-01-01", "2027-01-01"),
    ],
)
def test_spans_of_time(text: str, first: str, end: str) -> None:
    """A date is the whole of what it names."""
    span = read_span(text, NOW, UTC)

    assert span == (datetime.fromisoformat(first + "T00:00Z"), datetime.fromisoformat(end + "T00:00Z"))


def test_periods_and_bounds() -> None:
    """`30d` is a moment; before: and after: leave out what they name."""
    assert read("after:30d") == Dated(datetime(2026, 10, 28, 12, tzinfo=UTC), None)
    assert read("before:2024-03") == Dated(None, datetime(2024, 3, 1, tzinfo=UTC))
    assert read("after:2024-03") == Dated(datetime(2024, 4, 1, tzinfo=UTC), None)


@pytest.mark.parametrize("text", ["2024-13", "2024-02-30", "0000", "tomorrow", "30x", "-5d", "9999999d", "", "99999y"])
def test_what_is_no_date(text: str) -> None:
    """Nonsense is none, and a period longer than time is the beginning of time."""
    span = read_span(text, NOW, UTC)

    assert span is None or span[0].year == 1


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("ab (cd", 3, "never closed"),
        ("ab) cd", 2, "no matching ("),
        ('ab "cd', 3, "never closed"),
        ("ab OR", 5, "a term is missing"),
        ("OR ab", 0, "a term is missing"),
        ("ab OR OR cd", 6, "a term is missing"),
        ("()", 0, "nothing between"),
        ("ab AND", 3, "AND must be between"),
        ("ab form:cd", 3, "unknown field form:"),
        ("from:(to:ab)", 6, "cannot be used inside"),
        ("x before:soon", 9, "is not a date"),
        ("on:30d", 3, "requires a day"),
        ("has:wings", 4, "unknown"),
        ("is:blue", 3, "unknown"),
        ("ab *cd", 3, "cannot begin with"),
        ("larger:5X", 7, "is not a size"),
        ("folder:a//b", 7, "name is missing"),
        ("from:)", 0, "followed by a value"),
        ("", 0, "nothing to search for"),
        ("& -", 0, "no letter or digit"),
        ("(" * (MAX_DEPTH + 2) + "a" + ")" * (MAX_DEPTH + 2), MAX_DEPTH, "nested deeper"),
        ("ab " * (MAX_TERMS + 1), 3 * MAX_TERMS, "at most 100 terms"),
        ('"' + "ab " * (MAX_PHRASE + 1) + '"', 0, "at most 100 words"),
        ("a" * (MAX_CHARACTERS + 1), 0, "at most 4,096 characters"),
    ],
)
def test_mistakes_are_shown_at_their_place(text: str, position: int, message: str) -> None:
    """An error says what is wrong, and a mark stands below the place."""
    with pytest.raises(BadQuery, match=message.replace("(", r"\(")) as error:
        read(text)

    assert error.value.position == position
    _, _, mark = str(error.value).splitlines()
    assert mark.index("^") == position + 2


@given(
    st.lists(st.sampled_from([*'()"-*?&: ', "OR", "AND", "NOT", "ab", "Ü", "京都", *(f"{f}:" for f in FIELDS), "2024"]))
)
def test_any_text_is_a_query_or_a_mistake(pieces: list[str]) -> None:
    """Nothing else ever happens."""
    for glue in ("", " "):
        try:
            read(glue.join(pieces))
        except BadQuery as error:
            assert error.hint is not None  # noqa: PT017 - both outcomes are right
