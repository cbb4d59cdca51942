from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.attachments import Kind
from muniment.errors import BadQuery
from muniment.search import parse, parse_query
from muniment.search.dates import Span, read_spans
from muniment.search.field_names import ALIASES, TEXTS, VALUES
from muniment.search.globs import MAX_WILDCARDS
from muniment.search.parser import MAX_CHARACTERS, MAX_DEPTH, MAX_PHRASE, MAX_TERMS
from muniment.search.query import (
    All,
    Any,
    Dated,
    Field,
    HasAttachment,
    MessageId,
    Mine,
    Not,
    OfType,
    Pattern,
    Phrase,
    Query,
    Received,
    Sized,
    Word,
)
from muniment.search.values import READERS, TYPES
from muniment.search.words import Wanted, wanted_words

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


def read(text: str) -> Query:
    """Parse at a fixed moment."""
    return parse(text, now=NOW, zone=UTC)


def day(text: str) -> datetime:
    """Return the beginning of a day."""
    return datetime.fromisoformat(text + "T00:00Z")


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
        ("a1-b2", Any((Phrase(None, ("a1", "b2")), word("a1b2")))),
        ("ab*", Pattern(None, "ab*")),
        ("abc*", Pattern(None, "abc*")),
        ("a?c*", Any((Pattern(None, "a?c*"), Phrase(None, ("a", "c"))))),
        ("*ab", Pattern(None, "*ab")),
        ("ab**?*", Pattern(None, "ab?*")),
        ('"ab cd*"', Phrase(None, ("ab", "cd"), is_open=True)),
        ("ab-cd*", Phrase(None, ("ab", "cd"), is_open=True)),
        ("ab?", word("ab")),
        ("abc1?", Any((word("abc1"), Pattern(None, "abc1?")))),
        ("a1?b*", Any((Pattern(None, "a1?b*"), Phrase(None, ("a1", "b"))))),
        ("<a1@b2>", Any((Phrase(None, ("a1", "b2")), MessageId("a1@b2")))),
        ("a1-b2年", Any((Phrase(None, ("a1", "b2", "年")), Phrase(None, ("a1b2", "年"))))),
        (
            "20*年",
            Any((All((Pattern(None, "20*"), Pattern(None, "年*"))), Phrase(None, ("20", "年")))),
        ),
        ("a1?b=c2", Phrase(None, ("a1", "b", "c2"))),
        ("http://a/?c=d*", Any(tuple(Phrase(None, ("http", "a", "c", "d"), is_open=one) for one in (False, True)))),
        ("from:a@b,c@d", Any((Phrase(Field.FROM, ("a", "b")), Phrase(Field.FROM, ("c", "d"))))),
        ("mid: ab", All((Word(None, wanted_words("mid")[0]), word("ab")))),
        ("ab NEAR cd", All((word("ab"), Word(None, wanted_words("near")[0]), word("cd")))),
        ("Ä*", Pattern(None, "a*")),
        ("from:ab", word("ab", Field.FROM)),
        ("FROM:ab", word("ab", Field.FROM)),
        ("from:(ab OR -cd)", Any((word("ab", Field.FROM), Not(word("cd", Field.FROM))))),
        ("from: ab", word("ab", Field.FROM)),
        ("from : ab", word("ab", Field.FROM)),
        ("from：ab", word("ab", Field.FROM)),
        ("\u200efrom:ab", word("ab", Field.FROM)),
        ("from=ab", Any((word("ab", Field.FROM), Phrase(None, ("from", "ab"))))),
        ("recipient:ab", Any((word("ab", Field.TO), word("ab", Field.CC)))),
        ("to:me", Mine(Field.TO)),
        ("text:ab", word("ab")),
        ("filename:*.ab", Phrase(Field.FILENAME, ("ab",))),
        ("ab or cd", Any((word("ab"), word("cd")))),
        ("ab | cd", Any((word("ab"), word("cd")))),
        ("ab || cd", Any((word("ab"), word("cd")))),
        ("ab and cd", All((word("ab"), word("cd")))),
        ("ab && cd", All((word("ab"), word("cd")))),
        ("{ab cd}", Any((word("ab"), word("cd")))),
        ("from:{ab cd}", Any((word("ab", Field.FROM), word("cd", Field.FROM)))),
        ("ab or", All((word("ab"), word("or")))),
        ('"ab', word("ab")),
        ("(ab", word("ab")),
        ("ab)", word("ab")),
        ("ab} (cd", All((word("ab"), word("cd")))),
        ("ab()", word("ab")),
        ("ab ( { } )", word("ab")),
        ('"ab cd"~5', Phrase(None, ("ab", "cd"))),
        ("/ab1.*/", Pattern(None, "ab1*")),
        ("has:pdf", OfType("pdf")),
        ("type:docx", OfType("word")),
        ("hasattachments:yes", HasAttachment()),
        ("hasattachment:no", Not(HasAttachment())),
        ("rfc822msgid:<a@b>", MessageId("a@b")),
        ("Message-ID:a@b", MessageId("a@b")),
        ("size:>2k", Sized(2048, None)),
        ("size:<=2k", Sized(None, 2049)),
        ("size:1k..2k", Sized(1023, 2049)),
        ("larger:10 MB", Sized(10485760, None)),
        ("larger_than:1k", Sized(1024, None)),
        ("kind:email", Sized(-1, None)),
        ("in:anywhere", Sized(-1, None)),
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
        ("05.03.2024", "2024-03-05", "2024-03-06"),
        ("5.3.24", "2024-03-05", "2024-03-06"),
        ("31.12.99", "1999-12-31", "2000-01-01"),
        ("20240305", "2024-03-05", "2024-03-06"),
        ("3/31/2024", "2024-03-31", "2024-04-01"),
        ("31/3/2024", "2024-03-31", "2024-04-01"),
        ("31-3-2024", "2024-03-31", "2024-04-01"),
        ("5/5/2024", "2024-05-05", "2024-05-06"),
        ("03/2024", "2024-03-01", "2024-04-01"),
        ("2024/03", "2024-03-01", "2024-04-01"),
        ("past-month", "2026-10-01", "2026-11-01"),
    ],
)
def test_spans_of_time(text: str, first: str, end: str) -> None:
    """A date is the whole of what it names."""
    spans = read_spans(text, NOW, UTC)

    assert spans == [Span(datetime.fromisoformat(first + "T00:00Z"), datetime.fromisoformat(end + "T00:00Z"))]


def test_a_day_that_may_be_two_is_both() -> None:
    """Where day and month may be either, a search finds both days and says so: nobody can know which was meant."""
    parsed = parse_query("ab on:3/5/2024 ", now=NOW, zone=UTC)
    march, may = day("2024-03-05"), day("2024-05-03")
    ends = [timedelta(days=1) + first for first in (march, may)]

    assert parsed.query == All((word("ab"), Any((Dated(march, ends[0]), Dated(may, ends[1])))))
    assert parsed.notes == (
        "3/5/2024 may be 2024-03-05 or 2024-05-03: the search includes both; write one of them instead",
    )
    assert read("after:3/5/2024") == Dated(march, None)
    assert read("before:3/5/2024") == Dated(None, may)


def test_periods_and_bounds() -> None:
    """`30d` is a moment; after: includes what it names, as in Gmail, and before: does not."""
    assert read("after:30d") == Dated(datetime(2026, 10, 28, 12, tzinfo=UTC), None)
    assert read("before:2024-03") == Dated(None, datetime(2024, 3, 1, tzinfo=UTC))
    assert read("after:2024-03") == Dated(day("2024-03-01"), None)
    assert read("until:2024-03") == Dated(None, day("2024-04-01"))
    assert read("date:2024-03-01..2024-03-31") == Dated(day("2024-03-01"), day("2024-04-01"))
    assert read("date:>2024-03") == Dated(day("2024-04-01"), None)
    assert read("date:<=2024-03") == Dated(None, day("2024-04-01"))
    assert read("newer_than:3 days") == read("after:3d")
    assert read("received:this week") == Received(day("2026-11-23"), day("2026-11-30"))


@pytest.mark.parametrize(
    "text",
    ["2024-13", "2024-02-30", "0000", "tomorrow", "30x", "-5d", "9999999d", "", "99999y", "32.1.2024", "13/13/2024"],
)
def test_what_is_no_date(text: str) -> None:
    """Nonsense is none, and a period longer than time is the beginning of time."""
    spans = read_spans(text, NOW, UTC)

    assert spans == [] or spans[0].first.year == 1


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("ab OR", 5, "a term is missing"),
        ("OR ab", 0, "a term is missing"),
        ("ab OR OR cd", 6, "a term is missing"),
        ("()", 0, "no letter or digit"),
        ("(", 0, "no letter or digit"),
        ('"', 0, "no letter or digit"),
        ("\u200b\u00ad", 0, "nothing to search for"),
        ("*", 0, "no letter or digit"),
        ("ab AND", 3, "AND must be between"),
        ("ab form:cd", 3, "unknown field form:"),
        ("from:(to:ab)", 6, "cannot be used inside"),
        ("x before:soon", 9, "is not a date"),
        ("on:30d", 3, "is a moment, not a day"),
        ("has:wings", 4, "unknown"),
        ("is:blue", 3, "unknown"),
        ("ab *c", 3, "too few letters"),
        ("ab c" + "*a" * (MAX_WILDCARDS + 1), 3, "at most 10"),
        ("ab " + "c*." * 30, 3, "at most 20 words"),
        ("/ab[0-9]/", 0, "regular expressions"),
        ("ab AROUND 5 cd", 3, "AROUND is not supported"),
        ("type:spam", 5, "type:spam is unknown"),
        ("kind:task", 5, "kind:task is unknown"),
        ("importance:high", 0, "cannot be searched"),
        ("hasattachment:perhaps", 14, "neither yes nor no"),
        ("from: -ab", 0, "followed by a value"),
        ("from:", 0, "followed by a value"),
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
    st.lists(
        st.sampled_from(
            [
                *'(){}"-*?&|~/:= ',
                "OR",
                "AND",
                "NOT",
                "or",
                "ab",
                "Ü",
                "京都",
                *(f"{f}:" for f in (*TEXTS, *VALUES, *ALIASES)),
                "2024",
            ]
        )
    )
)
def test_any_text_is_a_query_or_a_mistake(pieces: list[str]) -> None:
    """Nothing else ever happens."""
    for glue in ("", " "):
        try:
            read(glue.join(pieces))
        except BadQuery as error:
            assert error.hint is not None  # noqa: PT017 - both outcomes are right


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("https://shop.example/order.php?id=4711&lang=de", "https shop example order php id 4711 lang de"),
        ("http://shop.example/?id[]=1&b", "http shop example id 1 b"),
        ("foo+bar@x.example", "foo bar x example"),
        ("<x.y@z.example>", "x y z example"),
        ("mailto:x.y@z.example", "x y z example"),
        ("C:\\temp\\report.txt", "c temp report txt"),
        ("Re:ab", "re ab"),
        ("12:30", "12 30"),
        ("localhost:8080", "localhost 8080"),
        ("fe80::1ff:fe23", "fe80 1ff fe23"),
        ("AB-123/4", "ab 123 4"),
        ("v1.2.3", "v1 2 3"),
        ("sha256:abc1", "sha256 abc1"),
        ("urn:isbn:123", "urn isbn 123"),
        ("id:4711x", "id 4711x"),
        ("/usr/local/bin/", "usr local bin"),
        ("https://de.wiki.example/A1_(b2)", "https de wiki example a1 b2"),
    ],
)
def test_what_is_pasted_is_text(text: str, words: str) -> None:
    """An address, a URL, a path or a time that is pasted as it stands is searched for as it stands."""
    found = read(text)
    readings = found.parts if isinstance(found, Any) else (found,)

    assert Phrase(None, tuple(words.split())) in readings


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("form:ab", "Did you mean from:?"),
        ("subjct:ab", "Did you mean subject:?"),
        ("attachmnt:ab", "Did you mean attachment:?"),
        ("betreff:ab", "Use subject: instead of betreff:."),
        ("created:2024", "Use received: instead of created:."),
        ("wibble:2024-03", "Fields: subject: from:"),
        ("von:ab", "Use from: instead of von:."),
        ("wibble:ab", "Fields: subject: from:"),
    ],
)
def test_an_unknown_field_names_the_right_one(text: str, hint: str) -> None:
    """A field that does not exist is an error that names the nearest one, and never a search without results."""
    with pytest.raises(BadQuery) as error:
        read(text)

    assert error.value.hint.startswith(hint)


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("ab or cd", '"or" means OR here'),
        ("ab not cd", '"not" was searched as a word'),
        ("ab ODER cd", "did you mean OR?"),
        ("ab (cd", "the ( at character 4 has no partner"),
        ("ab cd)", "the ) at character 6 has no partner"),
        ('ab "cd', "the quotation mark at character 4 has no partner"),
        ("abc~1", "similar words and weights are not supported"),
        ("form: ab", "form: is searched as text; did you mean from:?"),
    ],
)
def test_what_is_not_obvious_is_said(text: str, note: str) -> None:
    """Where a query may be understood in two ways, its author reads in which it was."""
    assert [note in found for found in parse_query(text, now=NOW, zone=UTC).notes] == [True]


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("kuehnemoeller", "kuhnemoller"),
        ("Kühnemöller", "kuehnemoeller"),
        ("groendal", "grondal"),
        ("Grøndal", "groendal"),
        ("aarhus", "arhus"),
        ("Århus", "aarhus"),
    ],
)
def test_letters_typed_as_two(text: str, other: str) -> None:
    """ö may be typed as oe, and the reverse, in fields with and without stems."""
    anywhere, sender = read(text), read(f"from:{text}")

    assert isinstance(anywhere, Word)
    assert isinstance(sender, Word)
    assert other in anywhere.wanted.others
    assert sender.wanted.others == (other,)


def test_types_are_those_of_attachments() -> None:
    """Every type that the index gives to attachments can be searched for, and no other."""
    assert set(TYPES) == {kind.value for kind in Kind} - {"other"}


def test_every_name_is_read() -> None:
    """Each name of a field leads to a reader, and no other program's name hides one of ours."""
    assert set(READERS) == set(VALUES)
    assert set(ALIASES.values()) <= {*TEXTS, *VALUES}
    assert set(ALIASES).isdisjoint({*TEXTS, *VALUES})


@pytest.mark.parametrize(
    "text", ["?" * 4096, "*a" * 2048, "a*" * 2048, "«" * 4096, "(" * 4096, "a?!" * 1365, "x" * 4096]
)
def test_no_query_takes_long_to_read(text: str) -> None:
    """A query of any shape is read or refused; one that is read in exponential time would never get here."""
    try:
        assert read(text) is not None
    except BadQuery as error:
        assert error.hint is not None  # noqa: PT017 - both outcomes are right
