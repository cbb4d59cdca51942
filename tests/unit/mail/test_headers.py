from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.mail.headers import FIELD_CHARACTERS, _Reader, header_block, read_date, read_headers
from muniment.model.message import Headers

PLAIN = (
    b"Received: by mx\r\n\tid 1\r\n"
    b"From: Alice <alice@a.example>\r\n"
    b"To: bob@b.example,\r\n Carol <carol@c.example>\r\n"
    b"Cc: dave@d.example\r\n"
    b"Subject: Hello\r\n world\r\n"
    b"Date: Tue, 19 Feb 2019 08:08:00 +0100\r\n"
    b"Message-ID: <1@a.example>\r\n"
)
EXPECTED = Headers(
    message_id="<1@a.example>",
    subject="Hello world",
    sender="Alice <alice@a.example>",
    recipients="bob@b.example; Carol <carol@c.example>; dave@d.example",
    date=datetime(2019, 2, 19, 7, 8, tzinfo=UTC),
)


@pytest.mark.parametrize(
    "head",
    [
        PLAIN + b"\r\nSubject: body\r\n",
        PLAIN,
        (PLAIN + b"\r\nbody").replace(b"\r\n", b"\n"),
        (PLAIN + b"\r\nSubject: body\r\n").replace(b"\r\n", b"\r"),
        b"From alice@a.example Tue Feb 19 08:08:00 2019\r\n" + PLAIN + b"\r\n",
        b"\xef\xbb\xbf" + PLAIN + b"\r\n",
        PLAIN.replace(b":", b" :", 1).replace(b"Subject:", b"SUBJECT \t:") + b"\r\n",
        b"a line without colon\r\n and its fold\r\n" + PLAIN + b"\r\n",
        PLAIN + b"Subject: second\r\nFrom: second@x.example\r\nDate: now\r\nMessage-ID: <2@x>\r\n\r\n",
    ],
    ids=["crlf", "no-separator", "lf", "cr", "mbox-line", "bom", "space-before-colon", "junk-line", "repeated"],
)
def test_headers_of_any_shape(head: bytes) -> None:
    """Line endings, an mbox line, a BOM, junk lines and repeated fields do not affect the result."""
    assert read_headers(head) == EXPECTED


@given(st.binary(max_size=600))
def test_no_bytes_raise(data: bytes) -> None:
    """Any bytes yield headers that PostgreSQL can store."""
    _check_storable(read_headers(data))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"Subject", b"From", b"Sender", b"To", b"Cc", b"Date", b"Message-ID", b"Content-Type"]),
            st.binary(max_size=60)
            | st.sampled_from(
                [
                    b"=?utf-7?q?+2AA-?=",
                    b"=?x?b?====?=",
                    b'"a\\"',
                    b"<<<>",
                    b"((((",
                    b"1 Jan 2020 99:99:99 +9999",
                    b"\x1b$B",
                ]
            ),
        ),
        max_size=12,
    )
)
def test_no_field_values_raise(fields: list[tuple[bytes, bytes]]) -> None:
    """Any field values yield headers that PostgreSQL can store."""
    _check_storable(read_headers(b"".join(name + b":" + value + b"\r\n" for name, value in fields)))


def _check_storable(headers: Headers) -> None:
    for text in (headers.message_id, headers.subject, headers.sender, headers.recipients, *headers.raw.values()):
        text.encode("utf-8")
        assert not {"\0", "\n", "\r"} & set(text)
    assert headers.date is None or headers.date.tzinfo is UTC


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("From: <alice@a.example>", "alice@a.example"),
        ('From: "Doe, John \\"JD\\"" <jd@a.example>', 'Doe, John "JD" <jd@a.example>'),
        ("From: =?utf-8?q?M=C3=BCller=2C_J=C3=B6rg?= <jm@a.example>", "Müller, Jörg <jm@a.example>"),
        ('From: "=?utf-8?q?J=C3=B6rg?=" <j@a.example>', "Jörg <j@a.example>"),
        ("From: Jörg <jörg@münchen.example>", "Jörg <jörg@münchen.example>"),
        ('From: "ceo@good.example" <evil@bad.example>', "ceo@good.example <evil@bad.example>"),
        ("From: a@a.example (Comment, with comma)", "a@a.example (Comment, with comma)"),
        ("From:\r\nSender: s@a.example", "s@a.example"),
        ("From: a@a.example, b@b.example\r\nSender: s@s.example", "a@a.example; b@b.example"),
        ("From: nobody", "nobody"),
        ("Subject: none", ""),
    ],
)
def test_sender(field: str, expected: str) -> None:
    """The sender is From, or Sender without From; names are decoded after the list is split at commas."""
    assert read_headers(field.encode() + b"\r\n\r\n").sender == expected


def test_recipients_with_groups_and_comments() -> None:
    """Groups stay readable; To, Cc and Bcc follow each other, including repeated fields."""
    head = (
        b'Cc: "A, B" <ab@x.example>, Team: c@x.example, d@x.example;, (a, b) e@x.example\n'
        b"To: undisclosed-recipients:;\nBcc: f@x.example\nTo: g@x.example\n\n"
    )

    expected = (
        "undisclosed-recipients:;; g@x.example; A, B <ab@x.example>; Team: c@x.example; d@x.example;"
        " (a, b) e@x.example; f@x.example"
    )
    assert read_headers(head).recipients == expected


def test_all_recipients_of_a_large_mailing_are_kept() -> None:
    """5,000 recipients are all returned."""
    addresses = [f"user{number}@stadtwerk.example" for number in range(5000)]

    assert read_headers(f"To: {', '.join(addresses)}\r\n\r\n".encode()).recipients == "; ".join(addresses)


def test_broken_text_is_kept_raw() -> None:
    """A field that could only be guessed is kept in `raw`, escaped; valid fields are not."""
    headers = read_headers(b"Subject: a\xfcb\r\nFrom: =?x-klingon?q?=E4?= <a@a>\r\nTo: b@b\r\nCc: c\0c\r\n\r\n")

    assert headers.subject == "aüb"
    assert headers.sender == "ä <a@a>"
    assert headers.recipients == "b@b; cc"
    assert headers.raw == {"subject": r"a\xfcb", "from": "=?x-klingon?q?=E4?= <a@a>", "cc": r"c\x00c"}


@pytest.mark.parametrize(
    "other",
    [b"Content-Type: text/plain; charset=koi8-r", b"X-Name: =?koi8-r?q?x?="],
)
def test_raw_text_is_read_in_a_charset_the_message_names(other: bytes) -> None:
    """Undeclared 8-bit headers are decoded in the charset of the body or of encoded words in the header."""
    headers = read_headers(b"Subject: " + "Привет".encode("koi8-r") + b"\r\n" + other + b"\r\n\r\n")

    assert headers.subject == "Привет"
    assert "subject" in headers.raw


def test_few_charsets_are_tried() -> None:
    """Each charset named in a message is tried once, regardless of spelling; unknown ones never, and at most eight."""
    charsets = ["KOI8-R", "hz", "x-klingon", "koi8_r", "HZ", "CSKOI8R", *(f"iso-8859-{n}" for n in range(2, 17))]
    reader = _Reader(header_block("".join(f"X: =?{charset}?q?x?=\r\n" for charset in charsets * 2).encode()))

    assert reader._hints == ["KOI8-R", "hz", *(f"iso-8859-{n}" for n in range(2, 8))]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("hint", [b"X: =?hz?q?x?=\r\n", b"X: charset=hz\r\n"])
def test_many_charsets_times_many_fields(hint: bytes) -> None:
    """A head of 256 KiB with thousands of undecodable fields, each naming a charset, is read quickly."""
    fields = b"To: \xff~{\xff\r\n"
    headers = read_headers(hint * (128 * 1024 // len(hint)) + fields * (128 * 1024 // len(fields)))

    assert headers.recipients.startswith("ÿ~{ÿ; ÿ~{ÿ")


def test_long_fields_are_cut() -> None:
    """A subject of a megabyte is truncated."""
    headers = read_headers(b"Subject: " + b"s" * 1_000_000 + b"\r\n\r\n")

    assert len(headers.subject) == FIELD_CHARACTERS


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (b"Message-ID: <a@b>", "<a@b>"),
        (b"Message-Id:\r\n <a@b>", "<a@b>"),
        (b"Message-ID: no-angles@x", "no-angles@x"),
        (b"Message-ID: <a@b> (added by relay)", "<a@b>"),
        (b"Message-ID:\r\nMessage-ID: <>\r\nMessage-ID: <c@d>", "<c@d>"),
        (b"Message-ID: <" + b"x" * 1200 + b"@y>", ""),
    ],
)
def test_message_id(written: bytes, expected: str) -> None:
    """The first Message-ID with a value is used; one that is too long is only kept in `raw`."""
    headers = read_headers(written + b"\r\n\r\n")

    assert headers.message_id == expected
    assert ("message-id" in headers.raw) == (expected == "")


NOON = datetime(2013, 6, 5, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written", "expected", "sound"),
    [
        ("Wed, 5 Jun 2013 14:00:00 +0200", NOON, True),
        ("Wed, 05 Jun 2013 06:30:00 -0530 (comment (nested))", NOON, True),
        ("5 Jun 2013 12:00 GMT", NOON, True),
        ("Wed, 5 Jun 2013 08:00:00 EDT", NOON, True),
        ("Wed Jun  5 12:00:00 2013 +0000", NOON, True),
        ("5 Jun 13 12:00:00 -0000", NOON, True),
        ("2013-06-05T12:00:00Z", NOON, True),
        ("Wed, 5 Jun 2013 12:00:00", NOON, False),
        ("Wed, 5 Jun 2013 12:00:00 +9999", NOON, False),
        ("Wed, 5 Jun 2013 12:00:00 MEZ", NOON, False),
        ("Sun, 30 Jun 2012 23:59:60 +0000", datetime(2012, 6, 30, 23, 59, 59, tzinfo=UTC), True),
        ("Thu, 32 Foo 2019 25:61:61 +0000", None, False),
        ("Sat, 29 Feb 2003 10:00:00 +0000", None, False),
        ("Mon, 1 Jan 1601 00:00:00 +0000", None, False),
        ("Fri, 31 Dec 9999 23:59:59 -0100", None, False),
        ("yesterday", None, False),
        ("", None, False),
    ],
)
def test_dates(written: str, expected: datetime | None, *, sound: bool) -> None:
    """Dates are in UTC; invalid zones are taken as UTC, and impossible or implausible dates are None."""
    assert read_date(written) == (expected, sound)


@given(st.text(max_size=60))
def test_no_date_raises(text: str) -> None:
    """Any text is parsed without an error."""
    date, _ = read_date(text)

    assert date is None or 1970 <= date.year <= 2100


@given(
    st.datetimes(NOON.replace(year=1971, tzinfo=None), NOON.replace(year=2099, tzinfo=None)),
    st.integers(-14 * 60, 14 * 60),
)
def test_rfc5322_dates_round_trip(date: datetime, minutes: int) -> None:
    """A date in any zone is read to the second."""
    date = date.replace(microsecond=0)
    zone = f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"
    utc, sound = read_date(f"{date:%d} {_MONTHS[date.month - 1]} {date.year} {date:%H:%M:%S} {zone}")

    assert sound
    assert utc is not None
    assert (date.replace(tzinfo=UTC) - utc).total_seconds() == minutes * 60


_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece",
    [b'"\\', b"<", b"(", b" ", b"=?", b"=?a*", b"\n ", b"=?utf-8?q?a?= ", b"\xff,", b'"a" ', b"\t\n\r", b"charset "],
)
def test_hostile_headers_take_linear_time(piece: bytes) -> None:
    """256 KiB of input that slows down naive patterns is read quickly in every field."""
    filling = piece * (256 * 1024 // len(piece) // 8)

    read_headers(
        b"".join(name + b": x" + filling + b"\r\n" for name in (b"Subject", b"From", b"To", b"Date", b"Message-ID"))
    )
