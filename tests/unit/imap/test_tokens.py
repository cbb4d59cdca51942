from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muniment.errors import Misconfigured, ProtocolViolation
from muniment.imap import wire
from muniment.imap.fetched import read_fetch
from muniment.imap.folders import FolderListing
from muniment.imap.tokens import Part, number, parse
from muniment.imap.uids import UidListing, fetch_items
from muniment.mailserver.server_text import shown
from muniment.model.message import MemoryMessage


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (b"* 12 EXISTS", [b"*", b"12", b"EXISTS"]),
        (b'(NIL "sad :(" 7)', [[None, b"sad :(", b"7"]]),
        (b'"NIL" NIL nil', [b"NIL", None, None]),
        (b'"a \\"b\\" \\\\c \\d"', [b'a "b" \\c \\d']),
        (b"(() ((x)) )", [[[], [[b"x"]]]]),
        (b"BODY[HEADER.FIELDS (MESSAGE-ID)] x", [b"BODY[HEADER.FIELDS (MESSAGE-ID)]", b"x"]),
        (b"BODY[]<0> y", [b"BODY[]<0>", b"y"]),
        (b'BODY[HEADER.FIELDS ("TO" "DATE")] x', [b'BODY[HEADER.FIELDS ("TO" "DATE")]', b"x"]),
        (b'body[1.HEADER.FIELDS.NOT ("x-y")]<7> x', [b'body[1.HEADER.FIELDS.NOT ("x-y")]<7>', b"x"]),
        (b'(BODY[ "a]b")', [[b"BODY[", b"a]b"]]),
        (b'* LIST () "/" [Gmail]/All', [b"*", b"LIST", [], b"/", b"[Gmail]/All"]),
        (b'""', [b""]),
        (b"  a  b ", [b"a", b"b"]),
        (b"", []),
    ],
)
def test_text(text: bytes, values: list[object]) -> None:
    """Atoms, quoted strings, NIL, lists and sections are parsed as in RFC 3501."""
    assert parse([text]) == values


def test_literals_stand_where_they_came() -> None:
    """A literal is one value, whatever it contains, even inside a list."""
    body = MemoryMessage(b"x")

    assert parse([b"* LIST () NIL ", b'a"(', b" (", body, b")"]) == [b"*", b"LIST", [], None, b'a"(', [body]]


@pytest.mark.parametrize("text", [b"(", b")", b"(a))", b'"open', b'a "b', b"(" * 100, b'x"'])
def test_what_is_not_imap(text: bytes) -> None:
    """Unclosed lists, unclosed quotes and stray parentheses are protocol violations."""
    with pytest.raises(ProtocolViolation):
        parse([text])


@pytest.mark.parametrize(
    "text",
    [
        b'"' + b"\\" * 2_000_000,
        b"BODY[" * 400_000,
        b'BODY["x"' * 250_000,
        b"BODY[" + b'"x"' * 600_000,
        b" " * 2_000_000,
        b'"' * 1_000_001,
        b"(" * 2_000_000,
    ],
)
def test_hostile_lines_cost_linear_time(text: bytes) -> None:
    """Two megabytes of hostile input are refused or parsed within a second or two."""
    start = time.process_time()
    try:
        parse([text])
    except ProtocolViolation:
        pass
    assert time.process_time() - start < 3


READERS: dict[bytes, Callable[[bytes, list[Part]], object]] = {
    b"FETCH": lambda _, parts: (read_fetch(parts), fetch_items(parts)),
    b"SEARCH": lambda keyword, parts: UidListing().take(keyword, parts),
    b"ESEARCH": lambda keyword, parts: UidListing().take(keyword, parts),
    b"STATUS": lambda keyword, parts: FolderListing([]).take(keyword, parts),
    b"LIST": lambda keyword, parts: FolderListing([]).take(keyword, parts),
}
STARTS = [
    (b"FETCH", b"* 1 FETCH (UID "),
    (b"FETCH", b"* 1 FETCH (UID 1 FLAGS ("),
    (b"FETCH", b"* 1 FETCH (BODY["),
    (b"FETCH", b"* "),
    (b"SEARCH", b"* SEARCH "),
    (b"ESEARCH", b'* ESEARCH (TAG "A1") UID ALL '),
    (b"STATUS", b"* STATUS "),
    (b"STATUS", b"* STATUS x (MESSAGES "),
    (b"LIST", b"* LIST ("),
    (b"LIST", b'* LIST () "," '),
]
PIECES = [
    b"1", b"1 ", b"11 ", b"1" * 20 + b" ", b"A11 ", b"A", b"A ", b"A1", b"a.1 ", b"UID 1", b"UID 1 ", b" ", b"(", b")",
    b'"', b"\\", b'\\"', b"BODY[", b'BODY["', b'BODY["x"', b"BODY[]<", b"1,", b"1:", b"&", b"&A", b"&AAAA", b"&A-",
    b",", b"&-,", b"{", b"NIL ", b"\xff", b"() ",
]  # fmt: skip


@pytest.mark.parametrize(("keyword", "start"), STARTS, ids=lambda value: value.decode())
@pytest.mark.parametrize("end", [b"", b"x", b")", b"x)", b'")', b"]"])
def test_hostile_responses_cost_linear_time(keyword: bytes, start: bytes, end: bytes) -> None:
    """Whatever a line contains, each parser accepts or refuses 64 KiB of it at once."""
    begun = time.process_time()
    for piece in PIECES:
        line = start + piece * (65_536 // len(piece)) + end
        try:
            READERS[keyword](keyword, [line])
        except ProtocolViolation:
            pass
    assert time.process_time() - begun < 10


@pytest.mark.timeout(60)
def test_a_row_of_numbers_is_not_cut_in_every_way() -> None:
    """Numbers that could be names and values, however they are split, are parsed as written."""
    numbers = [b"1" * 12] * 1001

    assert fetch_items([b"* 1 FETCH (UID 17 RFC822.SIZE 4)"]) == {b"UID": b"17", b"RFC822.SIZE": b"4"}
    assert fetch_items([b"* 1 FETCH (UID " + b" ".join(numbers) + b" x)"]) == {b"UID": b"1" * 12, b"1" * 12: b"1" * 12}


@given(st.lists(st.binary()))
def test_garbage_is_read_or_refused(parts: list[bytes]) -> None:
    """For any bytes, the parser returns or raises ProtocolViolation, and nothing else."""
    try:
        parse(parts)
    except ProtocolViolation:
        pass


@given(st.binary().filter(lambda b: b"\0" not in b))
def test_strings_come_back(value: bytes) -> None:
    """Atoms, quoted strings and literals that we write parse back to the same bytes."""
    for word in (wire.astring(value), wire.string(value)):
        assert parse([b"", word] if isinstance(word, wire.Literal) else [word]) == [value]


@pytest.mark.parametrize(
    ("name", "word"),
    [
        (b"INBOX", b"INBOX"),
        (b"R&-D", b"R&-D"),
        (b"with space", b'"with space"'),
        (b'a"b\\c', b'"a\\"b\\\\c"'),
        (b"NIL", b'"NIL"'),
        (b"", b'""'),
        (b"100%", b'"100%"'),
    ],
)
def test_the_form_of_a_name(name: bytes, word: bytes) -> None:
    """A folder name is an atom if possible, and quoted otherwise."""
    assert wire.astring(name) == word
    assert not isinstance(wire.astring(name), wire.Literal)


@pytest.mark.parametrize("name", [b"R &- D", "Büro".encode(), b"a\r\nb", b"tab\t"])
def test_names_that_go_by_length(name: bytes) -> None:
    """8-bit and control characters, and `&-` that Office 365 does not accept in quotes, are sent as literals."""
    assert isinstance(wire.astring(name), wire.Literal)


def test_literals_wait_unless_the_server_waives_it() -> None:
    """With LITERAL+ a command is one piece; with LITERAL- up to 4096 bytes; otherwise it waits for the server."""
    words = [b"LOGIN", wire.Literal(b"\xff"), b"x"]

    assert wire.pieces(words, frozenset()) == [b"LOGIN {1}\r\n", b"\xff x\r\n"]
    assert wire.pieces(words, frozenset({"LITERAL+"})) == [b"LOGIN {1+}\r\n\xff x\r\n"]
    assert wire.pieces([wire.Literal(b"x" * 4096)], frozenset({"LITERAL-"}))[0].startswith(b"{4096+}")
    assert len(wire.pieces([wire.Literal(b"x" * 4097)], frozenset({"LITERAL-"}))) == 2


def test_a_nul_is_not_sent() -> None:
    """No string may contain a NUL (RFC 3501 §9)."""
    with pytest.raises(Misconfigured):
        wire.string(b"a\0b")


@pytest.mark.parametrize("text", [b"", b"-1", b"1.5", b"1" * 21, b"x", None, [b"1"]])
def test_not_a_number(text: bytes | None) -> None:
    """Only a number is accepted as a number."""
    with pytest.raises(ProtocolViolation):
        number(text)


def test_server_text_is_shown_without_controls() -> None:
    """Text from a server cannot move the cursor or flood the screen."""
    assert shown(b"a\x1b[2Jb\xff" + b"x" * 9999, 8) == "a\ufffd[2Jb\ufffdx"
