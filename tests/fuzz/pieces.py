"""Single parsers, one input each: they raise only documented errors, and take linear time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from muniment.errors import ProtocolViolation
from muniment.imap import folders, mutf7, tokens
from muniment.imap.fetched import read_fetch
from muniment.imap.internaldate import parse_internaldate
from muniment.imap.refusal import Status, command_error, login_error
from muniment.imap.uids import UidListing, fetch_items
from muniment.mail.bodies import read_text
from muniment.mail.charsets import decode
from muniment.mail.headers import read_date, read_headers
from muniment.mail.markup import html_to_text
from muniment.mail.words import decode_words, unfold
from tests.fuzz.choices import Choices
from tests.fuzz.virtual import Finding

_SMALL, _LARGE = 4 << 10, 64 << 10
#: 16 times the input: a linear parser takes 16 times as long, a quadratic one 256 times.
_FACTOR = _LARGE // _SMALL
_TOO_MUCH = 5 * _FACTOR
_FLOOR_SECONDS = 0.03  # below that, a large input is parsed fast enough, whatever the ratio
_RETRIES = 4


@dataclass(frozen=True, slots=True)
class Piece:
    """A parser; `frame` is the (prefix, suffix) of the fuzzed bytes, which consist of `alphabet`."""

    name: str
    read: Callable[[bytes], object]
    frames: tuple[tuple[bytes, bytes], ...]
    alphabet: tuple[bytes, ...]
    refuses: bool = False  # may raise ProtocolViolation


def _listing(keyword: bytes) -> Callable[[bytes], object]:
    def read(data: bytes) -> object:
        listing = UidListing()
        listing.take(keyword, [data])
        return listing.sorted()

    return read


def _folder(data: bytes) -> object:
    listing = folders.FolderListing([])
    listing.take(b"LIST", [data])
    listing.take(b"STATUS", [data.replace(b"LIST", b"STATUS", 1)])
    return listing.folders()


def _path(data: bytes) -> object:
    for delimiter in (b"/", b".", b"&", b"//", None):
        path = mutf7.split_path(data, delimiter)
        if not path or any("\0" in name for name in path):
            raise Finding(f"a path that is invalid in file systems: {path!r}")
    return mutf7.decode(data)


def _status(data: bytes) -> object:
    status = Status.parse("NO", data)
    return str(command_error(status, "X", "peer")), str(login_error(status, "user", "peer"))


def _headers(data: bytes) -> object:
    headers = read_headers(data)
    _storable(headers.message_id, headers.subject, headers.sender, headers.recipients, *headers.raw.values())
    return headers


def _body(data: bytes) -> object:
    text = read_text(data, limit=1_000_000)
    _storable(text.text, *text.lost, *text.attachment_names)
    return text


def _words(data: bytes) -> object:
    text, _ = unfold(data.replace(b"\n", b" "))
    decoded, _ = decode_words(text)
    _storable(decoded)
    return decoded


def _charset(data: bytes) -> object:
    label, _, rest = data.partition(b"|")
    text, _ = decode(rest, label.decode("latin-1"))
    _storable(text)
    return text


def _storable(*texts: str) -> None:
    """Check that PostgreSQL and UTF-8 can represent the result."""
    for text in texts:
        if "\0" in text:
            raise Finding(f"a text with NUL: {text[:200]!r}")
        text.encode()


_IMAP = (
    b"(", b")", b'"', b"\\", b" ", b"NIL", b"UID", b"1", b"0", b"9999", b"BODY[]", b"BODY[", b"]", b"[", b"FLAGS",
    b"<0>", b"x", b"{1}", b"\0", b"\xff", b":", b",", b"*", b'"a"', b"UID 1 ", b"(a) ", b'\\"', b"RFC822.SIZE 5 ",
    b"ALL", b"\r", b"\n", b"INBOX", b"INTERNALDATE", b'"17-Jul-2024 02:44:25 +0000"', b"MESSAGES 1 ", b"&", b"-",
    b"&AGE-", b"&-", b"+", b"/", b".", b"BINARY[", b"~",
)  # fmt: skip
_MAIL = (
    b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b";", b",", b'"', b"\\", b"(", b")", b"<", b">", b"=?", b"?=", b"?q?",
    b"?b?", b"=00", b"utf-8", b"iso-2022-jp", b"utf-7", b"hz", b"gb18030", b"utf-16", b"idna", b"=?utf-8?q?=C3?=",
    b"=?utf-16?b?AAA=?=", b"\x1b$B", b"\x1b(", b"Subject:", b"From:", b"To: ", b"Date: ", b"Message-ID: <",
    b"Content-Type: ", b"multipart/mixed; ", b"boundary=", b"x", b"--x", b"--", b"text/html", b"message/rfc822",
    b"charset=", b"name*0*=", b"filename*=utf-8''%00", b"Content-Transfer-Encoding: ", b"base64", b"=",
    b"quoted-printable", b"x-uuencode", b"begin 644 a\n", b"Content-Disposition: attachment; ", b"\0", b"\xff",
    b"\xe2\x80\xa8", b"AAAA", b"<a ", b"</", b"<!--", b"-->", b"<script", b"</script>", b"&#0;", b"&#xD800;", b"&",
    b"<![", b"'", b"<meta charset=", b"%", b"*", b"Mon, 1 Jan 2024 00:00:00 +0000", b"-9999", b"99", b"A", b"z",
    b"\xa0", b"\x85", b"|", b"+AAA-", b"~{", b"\xed\xa0\x80", b"#",
)  # fmt: skip

PIECES = (
    Piece("tokens", lambda data: tokens.parse([data]), ((b"* 1 FETCH (", b")"), (b"", b"")), _IMAP, refuses=True),
    Piece(
        "fetch",
        lambda data: read_fetch([data]),
        ((b"* 1 FETCH (", b")"), (b"* 1 FETCH (UID 1 ", b")")),
        _IMAP,
        refuses=True,
    ),
    Piece("items", lambda data: fetch_items([data]), ((b"* 1 FETCH (", b")"), (b"* 1 ", b"")), _IMAP, refuses=True),
    Piece("search", _listing(b"SEARCH"), ((b"* SEARCH", b""), (b"* SEARCH ", b" (MODSEQ 3)")), _IMAP, refuses=True),
    Piece(
        "esearch", _listing(b"ESEARCH"), ((b"* ESEARCH UID ALL ", b""), (b"* ESEARCH (TAG ", b")")), _IMAP, refuses=True
    ),
    Piece(
        "folder",
        _folder,
        ((b'* LIST () "/" ', b""), (b"* LIST (", b") NIL x"), (b'* LIST () "', b'" a/b')),
        _IMAP,
        refuses=True,
    ),
    Piece("path", _path, ((b"", b""), (b"&", b"-")), _IMAP),
    Piece(
        "internaldate",
        parse_internaldate,
        ((b"", b""), (b"17-Jul-", b" 02:44:25 +0000")),
        (*_IMAP, b"Jul", b"02:44:25", b"2024"),
    ),
    Piece(
        "status",
        _status,
        ((b"[", b"] x"), (b"", b"")),
        (*_IMAP, b"too many", b"exceeded ", b"limit", b"temporar", b"internal "),
    ),
    Piece(
        "headers",
        _headers,
        ((b"Subject: ", b"\r\n\r\n"), (b"From: ", b""), (b"To: ", b"\n\n"), (b"Date: ", b""), (b"", b"")),
        _MAIL,
    ),
    Piece(
        "body",
        _body,
        (
            (b"Content-Type: multipart/mixed; boundary=x\n\n--x\n", b""),
            (b"Content-Type: text/html\n\n", b""),
            (b"", b""),
        ),
        _MAIL,
    ),
    Piece("words", _words, ((b"", b""), (b"=?utf-8?q?", b"?=")), _MAIL),
    Piece(
        "charset", _charset, ((b"", b""), (b"utf-7|", b""), (b"iso-2022-jp|", b""), (b"hz|", b""), (b"|", b"")), _MAIL
    ),
    Piece("markup", lambda data: html_to_text(data.decode("latin-1")), ((b"<p>", b""), (b"", b"")), _MAIL),
    Piece("date", lambda data: read_date(data.decode("latin-1")), ((b"Mon, ", b""), (b"", b"")), _MAIL),
)


def read_piece(c: Choices) -> str:
    """Give one parser one input made of its alphabet; return the parser's name, or raise Finding."""
    piece = c.pick(PIECES)
    prefix, suffix = c.pick(piece.frames)
    _read(piece, prefix + _some(c, piece, 24) + suffix)
    return piece.name


def probe_time(c: Choices) -> str:
    """Compare a parser's time for an input with its time for a similar input of 16 times the length."""
    piece = c.pick(PIECES)
    prefix, suffix = c.pick(piece.frames)
    start, pump, end = _some(c, piece, 3), _some(c, piece, 3) or b"x", _some(c, piece, 2)

    def sized(size: int) -> bytes:
        return prefix + start + pump * max(1, size // len(pump)) + end + suffix

    large = small = 0.0
    for _ in range(_RETRIES):  # only repeated slowness counts: another process may have had the core
        large = _seconds(piece, sized(_LARGE))
        if large < _FLOOR_SECONDS:
            return piece.name
        small = min(_seconds(piece, sized(_SMALL)) for _ in range(3))
        if large < _TOO_MUCH * small:
            return piece.name
    raise Finding(f"{piece.name} takes {large:.3f} s for {_LARGE} bytes, {small:.5f} s for {_SMALL}: {sized(64)!r}")


def _some(c: Choices, piece: Piece, most: int) -> bytes:
    return b"".join(
        c.octets(1 + c.below(4)) if c.chance(24) else c.pick(piece.alphabet) for _ in range(c.below(most + 1))
    )


def _seconds(piece: Piece, data: bytes) -> float:
    start = time.thread_time()
    _read(piece, data)
    return time.thread_time() - start


def _read(piece: Piece, data: bytes) -> None:
    try:
        piece.read(data)
    except ProtocolViolation as error:
        if not piece.refuses:
            raise Finding(f"{piece.name} raised {error!r} for {data[:300]!r}") from error
    except Finding:
        raise
    except Exception as error:
        raise Finding(f"{piece.name} raised {error!r} for {data[:300]!r}") from error
