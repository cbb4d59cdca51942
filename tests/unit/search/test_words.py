from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.search import parse
from muniment.search.query import All, Any, Phrase, Query, Word
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
        ("a.b@c.example, A-1", "a b c example a 1 | a1"),
        ("東京都", "東京 京都 都"),
        ("ﾃｽﾄ", "テス スト ト"),
        ("한국어", "한국 국어 어"),
        ("2024年", "2024 年"),
        ("e\u0301te\u0301", "ete"),
        ("ﬁnance ½", "finance 1 2"),
        ("x" * 100, "x" * 64),
        ("2024年度報告", "2024 年 年度 度報 報告 告"),
        ("A社のX線", "a 社 社の の x 線"),
        ("３月分", "3 月 月分 分"),
        ("3월분 SK하이", "3 월 월분 분 sk 하 하이 이"),
        ("Ge\u00adsamt\u00adkonzept", "gesamtkonzept"),
        ("Gesamt\u00ad\r\nkonzept", "gesamtkonzept"),
        ("pass\u2060wo\ufeffrd\u202e", "password"),
        ("acc\u200bount", "account | acc ount"),
        ("می\u200cخواهم", "ميخواهم | مي خواهم"),
        ("co-worker's e-mails", "co worker s e mails | coworker | emails"),
        ("d’avocat l'eau O’Brien", "d avocat l eau o brien | obrien"),
        ("anna@xn--bcher-kva.example", "anna xn bcher kva example | bcherkva | anna bucher example"),
        ("C++, C# and .NET", "c c and net | c++ | c# | .net"),
        ("shop.net page#x a+b", "shop net page x a b"),
        ("ok 👍🏽 ❤️ 🇩🇪", "ok | 👍 | ❤ | 🇩🇪"),
        ("أحمد إلى كِتَاب ٱلكتـاب", "احمد الي كتاب الكتاب"),
        ("کتاب یک مدرسة", "كتاب يك مدرسه"),
        ("١٢٣ ۴۵ १२", "123 45 12"),
        ("Ὀδυσσεύς ΟΔΥΣΣΕΎΣ", "οδυσσευσ οδυσσευσ"),
        ("ǅ ﬀ ĳ", "dz ff ij"),
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

    assert set(wanted.others) & set(read_words([written]).stems)


@pytest.mark.parametrize(
    ("text", "looked_for"),
    [
        ("2024年度報告書と3月分の請求書", "2024年"),
        ("2024年度報告書と3月分の請求書", "3月"),
        ("2024年度報告書と3月分の請求書", "年度"),
        ("2024年度報告書と3月分の請求書", "2024年度"),
        ("２０２４年度", "2024年"),
        ("A社製品のX線検査。第3章まで。", "A社"),
        ("A社製品のX線検査。第3章まで。", "X線検"),
        ("A社製品のX線検査。第3章まで。", "第3章"),
        ("A社製品のX線検査。第3章まで。", "のX線"),
        ("SK하이닉스", "SK하"),
        ("Tシャツ", "Tシャ"),
        ("ปี2567แล้ว", "2567แ"),
        ("令和6年度第2四半期", "令和6年"),
        ("令和6年度第2四半期", "第2四"),
    ],
)
def test_letters_beside_a_script_without_blanks(text: str, looked_for: str) -> None:
    """A piece of a mixed word is a phrase of the words of the text, wherever it begins and ends."""
    words = read_words([text]).words
    wanted = [one.word for one in wanted_words(looked_for)]

    assert wanted in [words[start : start + len(wanted)] for start in range(len(words))]


@pytest.mark.parametrize("text", ["ab\u200ccd", "abcd", "ab cd"])
@pytest.mark.parametrize("query", ["ab\u200ccd", "ab cd"])
def test_a_joint_may_be_a_blank(text: str, query: str) -> None:
    """A word with a zero-width non-joiner is found joined, parted and as it stands, in texts and in queries."""
    words = " ".join(read_words([text.replace("ab", "می").replace("cd", "شوند")]).words)
    found = parse(query.replace("ab", "می").replace("cd", "شوند"), now=datetime(2026, 1, 1, tzinfo=UTC), zone=UTC)
    readings = found.parts if isinstance(found, Any) else (found,)
    expected = text != "abcd" or "\u200c" in query

    assert any(_occurs(reading, words) for reading in readings) == expected


def _occurs(query: Query, words: str) -> bool:
    """Whether the words of a query occur in the words of a text."""
    match query:
        case All(parts):
            return all(_occurs(part, words) for part in parts)
        case Phrase(_, phrase):
            return " ".join(phrase) in words
        case Word(_, wanted):
            return wanted.word in words.split()
    raise AssertionError(query)


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("Das Ge\u00adsamt\u00adkonzept", {"gesamtkonzept": "Ge\u00adsamt\u00adkonzept"}),
        ("seit 2024年度", {"2024": "2024", "年": "年", "年度": "年度"}),
        ("two e-mails", {"emails": "e-mails", "mails": "mails"}),
        ("great 👍", {"👍": "👍"}),
    ],
)
def test_matches_are_marked_as_they_stand(text: str, marked: dict[str, str]) -> None:
    """What is indexed can be marked in the text, with the characters that nobody sees."""
    found = spans(text)

    for form, shown in marked.items():
        assert shown in {text[start:end] for start, end, forms in found if form in forms}


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
