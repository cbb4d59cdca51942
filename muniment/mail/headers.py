"""Reads the header fields that users search, from the first bytes of a message.

The header is split into fields here instead of with `email.parser`, which stops at the first line without a colon,
reads `From :` as an mbox separator and does not handle bare CRs; all of these occur in real archives. Extracting only
the needed fields is also several times faster. Dates and codecs are decoded by the standard library.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_tz
from functools import cached_property

from muniment.mail.charset_names import codec_of
from muniment.mail.words import decode_words, escaped, one_line, unfold
from muniment.model.message import Headers

#: Maximum length of decoded values in characters; recipients may fill a whole head of 256 KiB.
FIELD_CHARACTERS = 32 * 1024
RECIPIENTS_CHARACTERS = 256 * 1024
#: RFC 5322 §2.1.1. In addition, PostgreSQL cannot index values larger than about 2,700 bytes.
MESSAGE_ID_CHARACTERS = 998
#: Maximum number of the charsets named in a message that are tried on text without a declared charset.
MAX_HINTS = 8

_DAY = timedelta(days=1)
_YEARS = range(1970, 2101)
_FIRST_EOL = re.compile(rb"\r\n|\r|\n")
_END = re.compile(rb"\n\r?\n")
_FIELD = re.compile(
    rb"\n(message-id|subject|from|sender|to|cc|bcc|date)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE
)
_PEOPLE_NAMES = (
    *("from", "sender", "reply-to", "to", "cc", "bcc", "resent-from", "resent-sender", "resent-to", "resent-cc"),
    *("resent-bcc", "delivered-to", "x-original-to", "x-envelope-to", "envelope-to", "list-id", "list-post"),
)
_PEOPLE_FIELD = re.compile(
    b"\n(" + b"|".join(name.encode() for name in _PEOPLE_NAMES) + rb")[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE
)
_HINTS = re.compile(
    rb"""=\?([\w.:-]{2,40})(?:\*[^?\s]*)?\?[bBqQ]\?|charset\s{0,9}=\s{0,9}["']?([\w.:-]{2,40})""", re.IGNORECASE
)
_MESSAGE_ID = re.compile(r"<[^<>]+>")
_ADDRESS_MARKS = re.compile(r'\\.|[",()]')
_QUOTED_NAME = re.compile(r'"((?:[^"\\]|\\.)*)"\s*(?=<)')
_QUOTED_PAIR = re.compile(r"\\(.)")
_RFC5322_DATE = re.compile(
    r"(?:[A-Za-z]{3}, *)?(\d{1,2}) ([A-Za-z]{3}) (\d{4}) (\d\d):(\d\d)(?::(\d\d))? ([+-])(\d\d)(\d\d)(?: *\(.*\))?"
)
_ZONE = re.compile(r"(?:[+-]\d{4}|\b(?:UTC?|GMT|Z|[ECMP][SD]T))\s*(?:\(.*\))?\s*$", re.IGNORECASE)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}


def read_headers(head: bytes) -> Headers:
    """Return the headers in `head`, the first bytes of a message (256 KiB are sufficient); never raises.

    `sender` is From, or Sender if there is no From. `recipients` are the addresses in To, Cc and Bcc in the form
    `Name <address>`, joined by `; `. `date` is in UTC. Of repeated fields, the first with a value is used (recipients:
    all). A field that cannot be read, or whose decoded value is a guess, is kept in `raw`, reversibly escaped
    (`words.escaped`).
    """
    return _Reader(header_block(head)).headers()


def read_people(head: bytes) -> dict[str, tuple[str, ...]]:
    """Return the entries of all fields that name people or mailing lists, by lower-case field name.

    `from` is Sender if there is no From, and `sender` is From if there is no Sender (RFC 5322 §3.6.2).
    """
    reader = _Reader(header_block(head), _PEOPLE_FIELD)
    found = {name: tuple(reader.people(name)) for name in _PEOPLE_NAMES}
    return found | {"from": found["from"] or found["sender"], "sender": found["sender"] or found["from"]}


def charset_hints(block: bytes) -> list[str]:
    """Return the first `MAX_HINTS` charsets that a message names anywhere in `block`, for its undeclared 8-bit text."""
    # Keyed by codec, to try each charset only once. Each field may try all hints, which would be quadratic without a
    # limit.
    labels: dict[str, str] = {}
    for match in _HINTS.finditer(block):
        label = (match[1] or match[2]).decode("ascii", "replace")
        codec = codec_of(label)
        if codec is not None:
            labels.setdefault(codec, label)
        if len(labels) == MAX_HINTS:
            break
    return list(labels.values())


def header_block(head: bytes) -> bytes:
    """Return the header lines, each preceded by a line feed, without the blank line that ends the header."""
    head = head.removeprefix(b"\xef\xbb\xbf")
    first = _FIRST_EOL.search(head)
    if first is not None and first[0] == b"\r":
        head = head.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if first is not None and first.start() == 0:
        return b""
    end = _END.search(head)
    return b"\n" + (head if end is None else head[: end.start() + 1])


class _Reader:
    def __init__(self, block: bytes, fields: re.Pattern[bytes] = _FIELD) -> None:
        self._block = block
        self._fields: dict[bytes, list[bytes]] = {}
        self._raw: dict[str, str] = {}
        for name, value in fields.findall(block):
            self._fields.setdefault(name.lower(), []).append(value)

    def headers(self) -> Headers:
        sender = self._people("from", FIELD_CHARACTERS) or self._people("sender", FIELD_CHARACTERS)
        recipients = [self._people(name, RECIPIENTS_CHARACTERS) for name in ("to", "cc", "bcc")]
        return Headers(
            message_id=self._message_id(),
            subject=self._subject(),
            sender=sender,
            recipients="; ".join(filter(None, recipients))[:RECIPIENTS_CHARACTERS],
            date=self._date(),
            raw=self._raw,
        )

    @cached_property
    def _hints(self) -> list[str]:
        return charset_hints(self._block)

    def _values(self, name: str) -> list[bytes]:
        return self._fields.get(name.encode(), [])

    def _text(self, name: str, raw: bytes) -> str:
        """Return an unfolded field, with encoded words left as they are."""
        text, certain = unfold(raw, lambda: self._hints)
        if not certain:
            self._keep(name, raw)
        return text

    def _decoded(self, name: str, raw: bytes, text: str) -> str:
        decoded, certain = decode_words(text)
        if not certain:
            self._keep(name, raw)
        return decoded

    def _keep(self, name: str, raw: bytes) -> None:
        if name not in self._raw:
            self._raw[name] = escaped(raw.strip()[:FIELD_CHARACTERS])[:FIELD_CHARACTERS]

    def _subject(self) -> str:
        for raw in self._values("subject"):
            if text := self._decoded("subject", raw, self._text("subject", raw)):
                return text[:FIELD_CHARACTERS]
        return ""

    def _people(self, name: str, limit: int) -> str:
        return "; ".join(self.people(name))[:limit]

    def people(self, name: str) -> list[str]:
        """Return the entries of all fields with this name."""
        people: list[str] = []
        for raw in self._values(name):
            text = self._text(name, raw)
            plain = "=?" not in text and text.isprintable()
            pieces = [person for piece in _addresses(text) if (person := _person(piece))]
            people += pieces if plain else [self._decoded(name, raw, piece) for piece in pieces]
            if people and name in {"from", "sender"}:
                break
        return people

    def _message_id(self) -> str:
        for raw in self._values("message-id"):
            text = self._text("message-id", raw)
            found = _MESSAGE_ID.search(text)
            value = found[0] if found else text.strip("<> ")
            if len(value) > MESSAGE_ID_CHARACTERS:
                self._keep("message-id", raw)
            elif value:
                return one_line(value)
        return ""

    def _date(self) -> datetime | None:
        for raw in self._values("date"):
            if text := self._text("date", raw):
                date, sound = read_date(text)
                if not sound:
                    self._keep("date", raw)
                return date
        return None


def read_date(text: str) -> tuple[datetime | None, bool]:
    """Return a Date field in UTC, and whether it is valid (RFC 5322 §3.3, §4.3; also ISO 8601).

    Returns None for an unreadable date and for years outside 1970 to 2100. A time with an invalid zone is taken as UTC
    and reported as not valid.
    """
    match = _RFC5322_DATE.fullmatch(text)
    try:
        date, sound = _standard_date(match) if match else _lenient_date(text)
    except (ValueError, TypeError, IndexError, KeyError, OverflowError, AttributeError):
        return None, False
    return (date, sound) if date.year in _YEARS else (None, False)


def _standard_date(match: re.Match[str]) -> tuple[datetime, bool]:
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
    date = datetime(
        int(year), _MONTHS[month.lower()], int(day), int(hour), int(minute), _second(int(second or 0)), tzinfo=UTC
    )
    offset = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
    if offset >= _DAY:
        return date, False
    return (date + offset if sign == "-" else date - offset), True


def _lenient_date(text: str) -> tuple[datetime, bool]:
    parsed = parsedate_tz(text[:200])
    if parsed is None:
        date = datetime.fromisoformat(text)
        return (date.astimezone(UTC), True) if date.tzinfo else (date.replace(tzinfo=UTC), False)
    year, month, day, hour, minute, second, _, _, _, offset = parsed
    date = datetime(year, month, day, hour, minute, _second(second), tzinfo=UTC)
    shift = timedelta(seconds=offset or 0)
    if abs(shift) >= _DAY:
        return date, False
    return date - shift, _ZONE.search(text[:200]) is not None


def _second(second: int) -> int:
    return 59 if second == 60 else second  # leap seconds are legal in mail (RFC 5322 §3.3), but not in a datetime


def _addresses(text: str) -> list[str]:
    """Split an address list at commas outside quoted strings and comments, in linear time.

    This happens before encoded words are decoded, so that a decoded name cannot forge an address.
    """
    if '"' not in text and "(" not in text:
        return text.split(",")
    pieces, start, quoted, comments = [], 0, False, 0
    for mark in _ADDRESS_MARKS.finditer(text):
        if mark[0] == '"' and not comments:
            quoted = not quoted
        elif not quoted and mark[0] == "(":
            comments += 1
        elif not quoted and mark[0] == ")":
            comments = max(0, comments - 1)
        elif mark[0] == "," and not quoted and not comments:
            pieces.append(text[start : mark.start()])
            start = mark.end()
    return [*pieces, text[start:]]


def _person(piece: str) -> str:
    """Return one entry without redundant delimiters: quotes around the name, angle brackets without a name."""
    piece = piece.strip()
    if piece[:1] not in {'"', "<"} and piece[-1:] != ";":
        return piece
    if piece.startswith('"') and (name := _QUOTED_NAME.match(piece)):
        piece = (_QUOTED_PAIR.sub(r"\1", name[1]).strip() + " " + piece[name.end() :]).strip()
    if piece.endswith(";") and not piece.endswith(":;"):
        piece = piece.rstrip("; ")
    return piece[1:-1].strip() if piece.startswith("<") and piece.endswith(">") else piece
