from __future__ import annotations

import time

import pytest

from muniment.clock import utc_now
from muniment.search import parse
from muniment.search.query import Field
from muniment.services.searching.mark_matches import snippet


def marked(query: str, text: str, until: float | None = None) -> list[str]:
    """Return what a snippet marks."""
    now = utc_now()
    found = snippet(parse(query, now=now, zone=now.tzinfo), [(Field.BODY, text)], *([] if until is None else [until]))  # type: ignore[arg-type]
    return [] if found is None else [piece for piece, is_match in found.pieces if is_match]


@pytest.mark.parametrize(
    ("query", "text", "shown"),
    [
        ("gesamtkonzept", "Das Ge\u00adsamt\u00adkonzept", ["Ge\u00adsamt\u00adkonzept"]),
        ("mueller", "Frau Müller", ["Müller"]),
        ("2024年", "im 2024年度", ["2024", "年"]),
        ("*konto", "ein Girokonto", ["Girokonto"]),
        ('"red boo*"', "the red books", ["red", "books"]),
        ("👍", "good 👍", ["👍"]),
        ("email", "two e-mails", ["e-mails"]),
    ],
)
def test_matches_are_marked(query: str, text: str, shown: list[str]) -> None:
    """What a query finds is marked where it stands."""
    assert marked(query, text) == shown


def test_many_wildcards_mark_at_once() -> None:
    """A pattern that nearly fits every word is marked in linear time; otherwise this would never end."""
    assert marked("a*a*a*a*a*a*a*a*a*b", f"{'a' * 60} " * 1000) == []


def test_marking_ends_with_its_time() -> None:
    """When time is over, nothing more is looked at."""
    assert marked("word", "word " * 10, time.monotonic() - 1) == []
