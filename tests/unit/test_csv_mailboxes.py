from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.errors import Misconfigured
from muniment.secrecy import Secret
from muniment.services.profiles.csv_mailboxes import CsvMailbox, read_csv

HEADER = "user;password;address;archive\n"
VALUES = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]) | st.sampled_from(";,|'\""), max_size=12)


def one(text: str) -> tuple[str, str, str, str]:
    (mailbox,) = read_csv(text.encode())
    return mailbox.login_user, mailbox.password.reveal(), mailbox.address, mailbox.user


def reasons(text: str) -> str:
    with pytest.raises(Misconfigured) as refusal:
        read_csv(text.encode())
    assert refusal.value.hint
    return str(refusal.value)


@pytest.mark.parametrize("delimiter", [";", ",", "|", "\t"], ids=["semicolon", "comma", "pipe", "tab"])
@pytest.mark.parametrize("eol", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_delimiters_and_line_ends(delimiter: str, eol: str) -> None:
    """Every delimiter and line ending is recognised; lines are counted as in an editor."""
    rows = ["user;password;address;archive", "a;pa;a@x.example;alice", "", "b;pb", "c;pc;;carol", ""]

    assert read_csv(eol.join(rows).replace(";", delimiter).encode()) == [
        CsvMailbox(2, "a", Secret("pa"), "a@x.example", "alice"),
        CsvMailbox(4, "b", Secret("pb"), "b", "b"),
        CsvMailbox(5, "c", Secret("pc"), "c", "carol"),
    ]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("o'brien;p'w", ("o'brien", "p'w", "o'brien", "o'brien")),
        ('"a;b";\'p;"w\'', ("a;b", 'p;"w', "a;b", "a;b")),
        ('a;"p""w"', ("a", 'p"w', "a", "a")),
        ("a;'it''s'", ("a", "it's", "a", "a")),
        (" a ; p w ", ("a", " p w ", "a", "a")),
        ('a;"p" ;x@x', ("a", "p", "x@x", "a")),
        ("a;p;;;;", ("a", "p", "a", "a")),
    ],
)
def test_quotes(row: str, expected: tuple[str, str, str, str]) -> None:
    """A leading quote affects only its own value; passwords keep their blanks."""
    assert one(HEADER + row) == expected


@pytest.mark.parametrize(
    ("data", "password"),
    [
        ("user;password\na;Grüße".encode(), "Grüße"),
        ("\ufeffuser;password\na;Grüße".encode(), "Grüße"),
        ("\ufeffuser\tpassword\na\tGrüße".encode("utf-16-le"), "Grüße"),
        (b"sep=,\nuser,password\na,p;w", "p;w"),
    ],
    ids=["utf-8", "bom", "utf-16", "excel-sep"],
)
def test_encodings(data: bytes, password: str) -> None:
    """Files written by spreadsheets are read, with the right password."""
    assert read_csv(data)[0].password.reveal() == password


@pytest.mark.parametrize("encoding", ["cp1252", "cp1250", "cp1251", "shift_jis"])
def test_another_code_page_is_not_guessed(encoding: str) -> None:
    """A guess would make wrong names and passwords: the error names the line and the option."""
    letter = {"cp1251": "Ж", "shift_jis": "山"}.get(encoding, "ö")

    with pytest.raises(Misconfigured, match=r"not in UTF-8 \(line 3\)") as caught:
        read_csv(f"user;password\na;p\nb;{letter}".encode(encoding))

    assert caught.value.hint is not None
    assert "--encoding" in caught.value.hint


def test_delimiters_inside_quoted_headers_do_not_count() -> None:
    """The delimiter is detected outside quotes."""
    assert one('"user, name, or login";password\na,b;p')[0] == "a,b"


@given(
    st.lists(st.tuples(VALUES, VALUES.filter(bool)), min_size=1, max_size=5),
    st.sampled_from(";,|\t"),
    st.sampled_from("\"'"),
)
def test_quoted_values_round_trip(rows: list[tuple[str, str]], delimiter: str, quote: str) -> None:
    """Quoted text with doubled quotes is restored exactly."""

    def quoted(value: str) -> str:
        return quote + value.replace(quote, quote * 2) + quote

    numbered = [(f"u{number}{user}".strip(), password) for number, (user, password) in enumerate(rows)]
    lines = [delimiter.join(map(quoted, row)) for row in [("user", "password"), *numbered]]

    assert [(m.login_user, m.password.reveal()) for m in read_csv("\n".join(lines).encode())] == numbered


@given(st.binary(max_size=200), st.booleans())
def test_any_file_is_read_or_refused(data: bytes, with_header: bool) -> None:
    """Any file is read or raises Misconfigured; each line is a mailbox or is reported."""
    try:
        mailboxes = read_csv((b"user;password\n" if with_header else b"") + data)
    except Misconfigured:
        return

    assert mailboxes


def test_every_bad_row_is_named_without_passwords() -> None:
    """All problems are reported together, with line numbers and reasons, and never with a password."""
    rows = [
        "ok;s3cret",
        "alone",
        ";s3cret",
        "a;",
        'b;"s3cret',
        'c;"s3cret"s3cret',
        "d;s3;cr;et;s3cret",
        "e;s3cret\x01",
        "OK;s3cret",
    ]
    text = reasons(HEADER + "\n".join(rows))

    assert text.splitlines() == [
        "the CSV file has 8 bad rows:",
        "line 3: only one value, the password is missing",
        "line 4: the IMAP user (column 1) is empty",
        "line 5: the password (column 2) is empty",
        "line 6: a quote is not closed; put a value that begins with a quote into quotes and double it there",
        "line 7: text after a closing quote; double a quote that belongs to the value",
        "line 8: more values than the header has columns; quote values that hold the delimiter",
        "line 9: column 2 holds a control character",
        "line 10: mailbox OK of user OK stands in line 2 already",
    ]


def test_many_bad_rows_are_counted() -> None:
    """Twenty problems are listed, and the others are counted."""
    lines = reasons(HEADER + "alone\n" * 30).splitlines()

    assert lines[0] == "the CSV file has 30 bad rows:"
    assert len(lines) == 22
    assert lines[-1] == "and 10 more"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        ("user\na", "no second column"),
        (HEADER, "no mailbox"),
        ("a@x.example;secret\nb@x.example;secret", "should be a header"),
        ("a;secret;a@x.example\nb;secret", "should be a header"),
        ('user;"password\na;b', "line 1 .the header.: a quote"),
    ],
)
def test_files_without_header_or_mailboxes(text: str, reason: str) -> None:
    """A file whose first line is a mailbox is refused, because that line would be lost; so are empty files."""
    message = reasons(text)

    assert "secret" not in message
    with pytest.raises(Misconfigured, match=reason):
        read_csv(text.encode())
