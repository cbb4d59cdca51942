from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.search.vectors import vectors
from muniment.search.words import BREAK, STEM, fold, read_words, spans, wanted_words
from tests.unit.search.documents import document

#: What may stand in a word: nothing that a tsvector, a tsquery or a blank-separated field could misread.
SAFE = re.compile(r"[^\s'\"\\&|!():*<>@~/]+")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Grüße aus Łódź", "grusse aus lodz"),
        ("L'été", "l ete"),
        ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
        ("ёлка Йод", "елка иод"),
        ("İstanbul ISPARTA ırmak", "istanbul isparta irmak"),
        ("a.b@c.example, A-1", "a b c example a 1"),
        ("東京都", "東京 京都 都"),
        ("ﾃｽﾄ", "テス スト ト"),
        ("한국어", "한국 국어 어"),
        ("2024年", "2024 年"),
        ("e\u0301te\u0301", "ete"),
        ("ﬁnance ½", "finance 1 2"),
        ("x" * 100, "x" * 64),
        ("שָׁלוֹם", "שלום"),
    ],
)
def test_words_of_a_text(text: str, words: str) -> None:
    """Case, accents and typography are folded; scripts without blanks become pairs."""
    assert read_words([text]).words == words.split()


@pytest.mark.parametrize(
    ("written", "looked_for"),
    [
        ("invoices", "invoice"),
        ("Häuser", "Haus"),
        ("factures", "facture"),
        ("canciones", "canción"),
        ("amici", "amico"),
        ("vergaderingen", "vergadering"),
        ("reuniões", "reunião"),
        ("книги", "книга"),
    ],
)
def test_forms_of_a_word_meet(written: str, looked_for: str) -> None:
    """A word and another form of it have a stem in common, in a text too short to tell its language."""
    (wanted,) = wanted_words(looked_for)

    assert set(wanted.stems) & set(read_words([written]).stems)


def test_a_text_that_tells_its_language_gets_its_stems_only() -> None:
    """What is plainly English is not stemmed as Italian."""
    english = "The organisation of the meetings that we have had was not what you and your people would have liked"
    alone = read_words(["meetings"]).stems

    assert set(alone) > {"~meet"}
    assert "~meet" in read_words([english]).stems
    assert len(read_words([english]).stems) <= len(set(read_words([english]).words))


@given(st.lists(st.text(max_size=60), max_size=4))
def test_words_hold_nothing_that_means_something(texts: list[str]) -> None:
    """Words of any text are safe in a tsvector and between blanks, and a search for the text finds its own words."""
    found = read_words(texts)

    assert all(word == BREAK or SAFE.fullmatch(word) for word in found.words)
    assert all(stem.startswith(STEM) and SAFE.fullmatch(stem[1:] or "x") for stem in found.stems)
    for text in texts:
        wanted = [one.word for one in wanted_words(text)]
        assert wanted == read_words([text]).words[: len(wanted)] or set(wanted) <= set(read_words([text]).words)


@given(st.text(max_size=80))
def test_folding_is_settled(text: str) -> None:
    """What is folded stays as it is when it is folded again."""
    assert fold(fold(text)) == fold(text)


@given(st.text(max_size=80))
def test_spans_lie_in_the_text(text: str) -> None:
    """Marks begin and end within the text, in order."""
    for start, end, _ in spans(text):
        assert 0 <= start < end <= len(text)


def test_very_many_words_fit_a_tsvector() -> None:
    """A text of more different words than PostgreSQL takes is cut; one with few words, however long, is not."""
    many = vectors(document(" ".join(f"word{number}" for number in range(200_000))))
    few = vectors(document("again and again " * 20_000))

    assert (many.is_cut, few.is_cut) == (True, False)
    assert len(many.document.encode()) < 1_048_576 * 2
    assert few.is_long
    assert len(few.passages) > 100
