"""Parses the MIME structure of a message in one pass and in linear time (RFC 2045, RFC 2046).

`email.parser` nests a generator per level and compares every line with every open boundary: a hostile message of 250 KB
takes seconds, and deeper nesting raises RecursionError. This module scans the lines that begin with `--` once and keeps
a stack of open multiparts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message

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
_FIELD = re.compile(
    rb"\n(content-type|content-disposition|content-transfer-encoding)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.IGNORECASE
)
_TYPE = re.compile(r"[\w!#$&^.+-]{1,80}/[\w!#$&^.+-]{1,120}")
_LABEL = re.compile(r"[\w.:()+-]+")
_MESSAGES = {"message/rfc822", "message/global"}
_OPAQUE = {"base64", "quoted-printable", "x-uuencode"}


@dataclass(frozen=True)
class Part:
    """A leaf or a nested message: its MIME headers, and the position of its bytes in `Walk.raw`.

    `start` and `end` delimit the body of a leaf, still encoded. For a nested message that is not encoded, they delimit
    its header block, and its own parts follow. `flow`: how lines of plain text are joined, `flowed` or `delsp`
    (RFC 3676 §4).
    """

    type: str
    encoding: str
    charset: str
    name: str
    start: int
    end: int
    disposition: str = ""
    flow: str = ""

    @property
    def is_open_message(self) -> bool:
        """Whether this is a nested message whose parts follow."""
        return self.type in _MESSAGES and self.encoding not in _OPAQUE


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


@dataclass(frozen=True)
class _Multipart:
    level: int
    depth: int
    default_type: str


class Walk:
    """Iterates over the parts of a message; afterwards, `problems` lists what was skipped."""

    def __init__(self, raw: bytes) -> None:
        first = _FIRST_EOL.search(raw, 0, _HEADER_BYTES)
        if first is not None and first[0] == b"\r":
            raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self.raw = b"\n" + raw
        self.problems: list[str] = []
        self._open: dict[bytes, _Multipart] = {}  # in nesting order
        self._leaf: _Entity | None = None

    def __iter__(self) -> Iterator[Part]:
        yield from self._enter(0)
        count = 0
        for line in _DELIMITER.finditer(self.raw):
            text = line[1].rstrip()
            closes = text not in self._open
            multipart = self._open.get(text[:-2] if closes and text.endswith(b"--") else text)
            if multipart is None or (self._leaf is not None and line.start() < self._leaf.body - 1):
                continue
            yield from self._finish_leaf(line.start())
            while len(self._open) > multipart.level + (not closes):
                self._open.popitem()
            if closes:
                continue
            count += 1
            if count > MAX_PARTS:
                self.problems.append(f"more than {MAX_PARTS} parts")
                return
            yield from self._enter(line.end())
        yield from self._finish_leaf(len(self.raw))

    def _enter(self, position: int) -> Iterator[Part]:
        """Read the entity whose headers follow the line feed at `position`; descend into nested messages."""
        enclosing = next(reversed(self._open.values()), None)
        depth = enclosing.depth if enclosing else 0
        entity = _read_entity(self.raw, position, enclosing.default_type if enclosing else "text/plain")
        while entity.type in _MESSAGES and entity.encoding not in _OPAQUE and depth < MAX_DEPTH:
            inner = _read_entity(self.raw, entity.body - 1, "text/plain")
            yield Part(entity.type, entity.encoding, "", entity.name, entity.body, inner.body, entity.disposition)
            entity, depth = inner, depth + 1
        if depth >= MAX_DEPTH:
            self.problems.append(f"nested deeper than {MAX_DEPTH} levels")
        elif entity.boundary and entity.boundary not in self._open:
            default_type = "message/rfc822" if entity.type == "multipart/digest" else "text/plain"
            self._open[entity.boundary] = _Multipart(len(self._open), depth + 1, default_type)
        else:
            self._leaf = entity

    def _finish_leaf(self, end: int) -> Iterator[Part]:
        leaf, self._leaf = self._leaf, None
        if leaf is not None:
            kind = "text/plain" if leaf.type.startswith("multipart/") else leaf.type
            yield Part(
                kind,
                leaf.encoding,
                leaf.charset,
                leaf.name,
                leaf.body,
                max(leaf.body, end),
                leaf.disposition,
                leaf.flow,
            )


def _read_entity(raw: bytes, position: int, default_type: str) -> _Entity:
    found = _HEADER_END.search(raw, position, position + _HEADER_BYTES)
    if found is None:
        end = body = min(len(raw), position + _HEADER_BYTES)
    else:
        # A delimiter within the headers or instead of them: there is no body.
        end = found.start()
        body = max(position + 1, end) if found[0].endswith(b"--") else found.end()
    # Reversed, so that the first of repeated fields wins.
    fields = {name.lower(): value[:_FIELD_BYTES] for name, value in reversed(_FIELD.findall(raw, position, end))}
    kind, parameters = _parameters(fields.get(b"content-type", b""))
    shown, disposition = _parameters(fields.get(b"content-disposition", b""))
    kind = kind if _TYPE.fullmatch(kind) else default_type
    boundary = parameters.get("boundary", "").rstrip().encode("utf-8", "replace")
    label = _LABEL.search(parameters.get("charset", ""))
    return _Entity(
        type=kind,
        encoding=_parameters(fields.get(b"content-transfer-encoding", b""))[0],
        charset=label[0] if label else "",
        name=_file_name(disposition.get("filename", "") or parameters.get("name", "")),
        boundary=boundary if kind.startswith("multipart/") and len(boundary) <= _BOUNDARY_BYTES else b"",
        body=body,
        disposition=shown,
        flow=_flow(parameters),
    )


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
