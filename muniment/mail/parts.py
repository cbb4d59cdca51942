"""Parses the MIME structure of a message in one pass and in linear time (RFC 2045, RFC 2046).

`email.parser` nests a generator per level and compares every line with every open boundary: a hostile message of 250 KB
takes seconds, and deeper nesting raises RecursionError. This module scans the lines that begin with `--` once and keeps
a stack of open multiparts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email.message import Message
from itertools import islice

from muniment.mail.charsets import decode
from muniment.mail.words import decode_words, unfold

#: Limits against MIME bombs.
MAX_PARTS = 5000
MAX_DEPTH = 100

_HEADER_BYTES = 256 * 1024
_FIELD_BYTES = 8 * 1024
_NAME_CHARACTERS = 512
_PARAMETERS = 200  # the standard library takes quadratic time in the number of semicolons
_BOUNDARY_BYTES = 250  # RFC 2046 §5.1.1 allows 70

_FIRST_EOL = re.compile(rb"\r\n|\r|\n")
_DELIMITER = re.compile(rb"\n--([^\n]{0,256})")
_HEADER_END = re.compile(rb"\n(?:\r?\n|--)")
_NO_FIELD = re.compile(rb"\n(?![!-9;-~]{1,100}[ \t]*:|[ \t\r\n]|>?From )")
_MIME_FIELD = re.compile(rb"\n(?:content-[a-z-]{2,30}|mime-version)[ \t]*:", re.IGNORECASE)
_PART_BEGIN = re.compile(rb"\n--([^\n]{1,250})\r?\n(?=content-[a-z-]{2,30}[ \t]*:)", re.IGNORECASE)
_CLOSING = re.compile(rb"\n--([^\n]{1,250}?)--[ \t]*\r?(?=\n|$)")
_HTML = re.compile(rb"\s{0,100}<(?:!doctype|html|head|body|meta|div|table|p)\b", re.IGNORECASE)
#: What mailers write before the first part, for programs that know nothing of parts.
_NOTICE = re.compile(rb"mime|multi-?part|mehrteilig|plusieurs parties", re.IGNORECASE)
_NOTICE_BYTES = 600
_MAX_GUESSES = 20
_PUNCTUATION = re.compile(r"[^a-z0-9]+")
_FIELD = re.compile(
    rb"\n(content-type|content-disposition|content-transfer-encoding)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE
)
_TYPE = re.compile(r"[\w!#$&^.+-]{1,80}/[\w!#$&^.+-]{1,120}")
_LABEL = re.compile(r"[\w.:()+-]+")
_MESSAGES = {"message/rfc822", "message/global"}
#: Transfer encodings in which a delimiter cannot be seen.
OPAQUE = {"base64", "quoted-printable", "x-uuencode"}
_ENCODINGS = {
    **dict.fromkeys(("base64", "b64", "base64mime", "mimebase64", "b"), "base64"),
    **dict.fromkeys(
        ("quotedprintable", "quotedprintible", "quotedprint", "quotedprintabl", "qp", "q"), "quoted-printable"
    ),
    **dict.fromkeys(("uuencode", "uuencoded", "uue", "uu"), "x-uuencode"),
    **dict.fromkeys(("7bit", "8bit", "binary", "7bits", "8bits", "none", "7", "8", "ascii", "text", "plain"), "8bit"),
    **dict.fromkeys(("binary8", "8bitmime", "usascii", "utf8", "raw"), "8bit"),
}


@dataclass(frozen=True)
class Part:
    """A leaf or a nested message: its MIME headers, and the position of its bytes in `Walk.raw`.

    `start` and `end` delimit the body of a leaf, still encoded. For a nested message that is not encoded, they delimit
    its header block, and its own parts follow. `flow`: how lines of plain text are joined, `flowed` or `delsp`
    (RFC 3676 §4). A multipart is a part only if it is encoded as a whole, which RFC 2045 §6.4 forbids; it then has its
    `boundary`.
    """

    type: str
    encoding: str
    charset: str
    name: str
    start: int
    end: int
    disposition: str = ""
    flow: str = ""
    boundary: bytes = b""

    @property
    def is_open_message(self) -> bool:
        """Whether this is a nested message whose parts follow."""
        return self.type in _MESSAGES and self.encoding not in OPAQUE


@dataclass(frozen=True)
class _Entity:
    """The MIME headers of an entity; `boundary` is empty unless it is a multipart, `body` is an offset."""

    type: str
    encoding: str
    charset: str
    name: str
    boundary: bytes
    body: int
    disposition: str
    flow: str


@dataclass
class _Multipart:
    """An open multipart; `gap`: where text outside of its parts begins, if the current position is outside of them."""

    entity: _Entity
    level: int
    depth: int
    gap: int | None
    has_parts: bool = False

    @property
    def default_type(self) -> str:
        return "message/rfc822" if self.entity.type == "multipart/digest" else "text/plain"


class Walk:
    """Iterates over the parts of a message; afterwards, `problems` and `limits` list what was wrong or skipped.

    No text is lost to a broken structure: what a multipart without any delimiter contains, and text before, between
    and after the parts, is a part of its own.
    """

    def __init__(self, raw: bytes) -> None:
        first = _FIRST_EOL.search(raw, 0, _HEADER_BYTES)
        if first is not None and first[0] == b"\r":
            raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self.raw = b"\n" + raw
        self.problems: list[str] = []
        self.limits: list[str] = []
        self._open: dict[bytes, _Multipart] = {}  # in nesting order
        self._leaf: _Entity | None = None
        self._count = 0
        self._guesses = 0

    def __iter__(self) -> Iterator[Part]:
        yield from self._enter(0)
        yield from self._scan(0, len(self.raw))

    def _scan(self, start: int, end: int) -> Iterator[Part]:
        """Follow the delimiters of the open multiparts, then close all of them."""
        for line in _DELIMITER.finditer(self.raw, start, end):
            text = line[1].rstrip()
            closes = text not in self._open
            multipart = self._open.get(text[:-2] if closes and text.endswith(b"--") else text)
            if multipart is None or (self._leaf is not None and line.start() < self._leaf.body - 1):
                continue
            yield from self._finish_leaf(line.start())
            yield from self._close_above(multipart.level, line.start())
            yield from self._finish_gap(multipart, line.start(), opens=not closes)
            if closes:
                multipart.gap = line.end()
                continue
            self._count += 1
            if self._count > MAX_PARTS:
                self._trouble(self.limits, f"more than {MAX_PARTS} parts")
                return
            multipart.has_parts = True
            yield from self._enter(line.end())
        yield from self._finish_leaf(end)
        yield from self._close_above(0, end)

    def _enter(self, position: int) -> Iterator[Part]:
        """Read the entity whose headers follow the line feed at `position`; descend into nested messages."""
        enclosing = next(reversed(self._open.values()), None)
        depth = enclosing.depth if enclosing else 0
        default_type = enclosing.default_type if enclosing else "text/plain"
        entity = _read_entity(self.raw, position, default_type, is_part=enclosing is not None)
        while entity.type in _MESSAGES and entity.encoding not in OPAQUE and depth < MAX_DEPTH:
            inner = _read_entity(self.raw, entity.body - 1, "text/plain")
            yield Part(entity.type, entity.encoding, "", entity.name, entity.body, inner.body, entity.disposition)
            entity, depth = inner, depth + 1
        if depth >= MAX_DEPTH:
            self._trouble(self.limits, f"nested deeper than {MAX_DEPTH} levels")
        elif entity.type.startswith("multipart/") and entity.boundary not in self._open:
            # No delimiter contains a line feed: this key only keeps the place of a multipart without a boundary.
            key = entity.boundary or b"\n%d" % len(self._open)
            self._open[key] = _Multipart(entity, len(self._open) + 1, depth + 1, entity.body)
        else:
            self._leaf = entity

    def _finish_leaf(self, end: int) -> Iterator[Part]:
        leaf, self._leaf = self._leaf, None
        if leaf is None:
            return
        if leaf.type.startswith("multipart/"):  # its boundary is that of an enclosing multipart
            yield from self._outside(leaf.body, end)
            return
        yield Part(
            leaf.type,
            leaf.encoding,
            leaf.charset,
            leaf.name,
            leaf.body,
            max(leaf.body, end),
            leaf.disposition,
            leaf.flow,
        )

    def _close_above(self, level: int, end: int) -> Iterator[Part]:
        while len(self._open) > level:
            _, multipart = self._open.popitem()
            yield from self._finish_gap(multipart, end)

    def _finish_gap(self, multipart: _Multipart, end: int, *, opens: bool = False) -> Iterator[Part]:
        """Yield text outside of the parts, if there is any; `opens`: a part begins at `end`."""
        start, multipart.gap = multipart.gap, None
        if start is None or start >= end:
            return
        if multipart.has_parts or opens:
            yield from self._outside(start, end)
        else:
            yield from self._recover(multipart, start, end)

    def _outside(self, start: int, end: int) -> Iterator[Part]:
        """Yield text before, between or after parts, unless it is one of the usual notices for old mailers."""
        beginning = self.raw[start : min(end, start + _NOTICE_BYTES + 1)].strip()
        if beginning and not (end - start <= _NOTICE_BYTES and _NOTICE.search(beginning)):
            yield Part("text/plain", "", "", "", start, end)

    def _recover(self, multipart: _Multipart, start: int, end: int) -> Iterator[Part]:
        """Read a multipart without any part: encoded as a whole, with another boundary than it says, or as text."""
        entity = multipart.entity
        if not self.raw[start : min(end, start + _HEADER_BYTES)].strip():
            return
        if entity.encoding in OPAQUE:
            self._trouble(self.problems, "a multipart is encoded as a whole")
            yield Part(entity.type, entity.encoding, "", entity.name, start, end, boundary=entity.boundary)
            return
        said = "the boundary of a multipart does not occur" if entity.boundary else "a multipart has no boundary"
        boundary = self._guess_boundary(start - 1, end)
        if boundary:
            self._trouble(self.problems, f"{said}: its parts were guessed")
            outer, self._open = self._open, {}
            self._open[boundary] = _Multipart(replace(entity, boundary=boundary), 1, multipart.depth, start)
            yield from self._scan(start - 1, end)
            self._open = outer
        else:
            self._trouble(self.problems, f"{said}: its content was read as text")
            kind = "text/html" if _HTML.match(self.raw, start, end) else "text/plain"
            yield Part(kind, entity.encoding, entity.charset, "", start, end)

    def _guess_boundary(self, start: int, end: int) -> bytes:
        """Return the text of what looks like a delimiter, or nothing."""
        self._guesses += 1
        if self._guesses > _MAX_GUESSES:  # each costs a scan
            return b""
        if found := _PART_BEGIN.search(self.raw, start, end):
            return found[1].rstrip()
        for closing in islice(_CLOSING.finditer(self.raw, start, end), _MAX_GUESSES):
            if self.raw.find(b"\n--" + closing[1] + b"\n", start, end) >= 0 or (
                self.raw.find(b"\n--" + closing[1] + b"\r\n", start, end) >= 0
            ):
                return closing[1]
        return b""

    @staticmethod
    def _trouble(problems: list[str], problem: str) -> None:
        if problem not in problems:
            problems.append(problem)


def _read_entity(raw: bytes, position: int, default_type: str, *, is_part: bool = False) -> _Entity:
    end, body = _header_end(raw, position, is_part=is_part)
    # Reversed, so that the first of repeated fields wins.
    until = min(end, position + _HEADER_BYTES)
    fields = {name.lower(): value[:_FIELD_BYTES] for name, value in reversed(_FIELD.findall(raw, position, until))}
    kind, parameters = _parameters(fields.get(b"content-type", b""))
    shown, disposition = _parameters(fields.get(b"content-disposition", b""))
    kind = kind if _TYPE.fullmatch(kind) else "multipart/mixed" if kind.startswith("multipart") else default_type
    boundary = parameters.get("boundary", "").rstrip().encode("utf-8", "replace")
    label = _LABEL.search(parameters.get("charset", ""))
    return _Entity(
        type=kind,
        encoding=encoding_of(fields.get(b"content-transfer-encoding", b"")),
        charset=label[0] if label else "",
        name=_file_name(disposition.get("filename", "") or parameters.get("name", "")),
        boundary=boundary if kind.startswith("multipart/") and len(boundary) <= _BOUNDARY_BYTES else b"",
        body=body,
        disposition=shown,
        flow=_flow(parameters),
    )


def _header_end(raw: bytes, position: int, *, is_part: bool) -> tuple[int, int]:
    """Return the end of the header that begins after `position`, and the beginning of the body."""
    found = _HEADER_END.search(raw, position, position + _HEADER_BYTES)
    if found is None and position + _HEADER_BYTES < len(raw):
        found = _HEADER_END.search(raw, position + _HEADER_BYTES - 2)
    if found is None:
        end = body = len(raw)
    else:
        # A delimiter within the headers or instead of them: there is no body.
        end = found.start()
        body = max(position + 1, end) if found[0].endswith(b"--") else found.end()
    if is_part or found is None or found[0].endswith(b"--"):
        end, body = _without_blank_line(raw, position, end, body, is_part=is_part)
    return end, body


def _without_blank_line(raw: bytes, position: int, end: int, body: int, *, is_part: bool) -> tuple[int, int]:
    """Correct the end of a header if the blank line after it, or the whole header of a part, is missing."""
    until = min(end, position + _HEADER_BYTES)
    text = _NO_FIELD.search(raw, position, until)
    if is_part and end > position and _MIME_FIELD.search(raw, position, until) is None:
        return position, position + 1
    if text is None or _MIME_FIELD.search(raw, text.start(), until):
        return end, body
    if raw[position : text.start()].rstrip()[-1:] == b";":  # a folded line that lost its blank
        return end, body
    return text.start(), text.start() + 1


def encoding_of(value: bytes) -> str:
    """Return the transfer encoding that a field means, in lower case; mailers misspell it in many ways."""
    said = _parameters(value)[0].split("(")[0]
    plain = _PUNCTUATION.sub("", said).removeprefix("x")
    return _ENCODINGS.get(plain, said.strip("\"' "))


def _flow(parameters: dict[str, str]) -> str:
    if parameters.get("format", "").lower() != "flowed":
        return ""
    return "delsp" if parameters.get("delsp", "").lower() == "yes" else "flowed"


def _parameters(value: bytes) -> tuple[str, dict[str, str]]:
    """Return a structured field's value in lower case and its parameters (RFC 2045 §5.1, RFC 2231)."""
    text, _ = unfold(value)
    kind, _, rest = text.partition(";")
    kind = kind.strip().lower()
    if not rest:
        return kind, {}
    message = Message()
    message["Content-Type"] = ";".join(text.split(";", _PARAMETERS)[:_PARAMETERS])
    try:
        pairs = message.get_params([])
    except (ValueError, TypeError, LookupError, AttributeError):  # raised by the library for broken RFC 2231
        pairs = [(name.strip(), value.strip(' "')) for name, _, value in (p.partition("=") for p in rest.split(";"))]
    # Reversed, so that the first of repeated parameters wins.
    return kind, {name.lower(): _extended(value) for name, value in reversed(pairs)}


def _extended(value: str | tuple[str | None, str | None, str]) -> str:
    """Return a parameter's value; one with a charset (RFC 2231 §4) contains bytes decoded as ISO-8859-1."""
    if isinstance(value, str):
        return value
    charset, _, text = value
    try:
        return decode(text.encode("latin-1"), charset or "")[0]
    except UnicodeEncodeError:
        return text


def _file_name(text: str) -> str:
    """Return a decoded file name; it may contain slashes and must never be used as a path."""
    return decode_words(text.strip())[0][:_NAME_CHARACTERS].strip()
