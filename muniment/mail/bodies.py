"""The text of a message for full-text indexing; what cannot be read is skipped and said."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field

from muniment.mail.charsets import clean, decode
from muniment.mail.headers import read_headers
from muniment.mail.markup import html_to_text
from muniment.mail.parts import Part, Walk

#: Bytes of one text part that are looked at; a longer part is cut.
PART_BYTES = 16 * 1024 * 1024
MAX_NAMES = 1000
#: Nested messages that are themselves base64 are opened so deep.
_MAX_ENCODED_DEPTH = 4

_HTML = {"text/html", "application/xhtml+xml", "text/enriched", "text/richtext"}
_NO_TEXT = {"text/rtf", "text/css", "text/javascript", "text/x-javascript"}
_MESSAGES = {"message/rfc822", "message/global"}
_OPAQUE_MESSAGES = {"message/partial", "message/external-body"}
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_META = re.compile(rb"""<meta[^>]{0,200}charset\s{0,9}=\s{0,9}["']?([\w.:-]{2,40})""", re.IGNORECASE)
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")


@dataclass(frozen=True)
class BodyText:
    """What full-text search needs of a message; `problem` says what is missing, or is empty."""

    text: str
    attachment_names: tuple[str, ...]
    problem: str


@dataclass
class _Collector:
    """Gathers text up to `room` characters."""

    room: int
    texts: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        text = text.strip()
        if len(text) > self.room:
            self.trouble("text cut at the limit")
            text = text[: self.room]
        if text:
            self.texts.append(text)
            self.room -= len(text)

    def trouble(self, problem: str) -> None:
        if problem not in self.problems and len(self.problems) < 10:
            self.problems.append(problem)


def read_text(raw: bytes, *, limit: int) -> BodyText:
    """Return the text of `raw`, at most `limit` characters, and the names of its attachments; never raises.

    Taken are all text parts (HTML without its tags), attached ones too, and those of nested
    messages with their subject and sender. Part count, depth and part size are bounded; file
    names are what the sender wrote and must never be used as paths.
    """
    collector = _Collector(limit)
    _collect(raw, collector, 0)
    return BodyText(
        text="\n".join(collector.texts)[:limit],
        attachment_names=tuple(collector.names),
        problem="; ".join(collector.problems),
    )


def _collect(raw: bytes, collector: _Collector, depth: int) -> None:
    walk = Walk(raw)
    for part in walk:
        if part.name and len(collector.names) < MAX_NAMES:
            collector.names.append(part.name)
        if part.is_open_message:
            _add_headers(walk.raw[part.start : part.end], collector)
        elif part.type in _MESSAGES:
            _add_encoded_message(walk.raw, part, collector, depth)
        elif _is_text(part) and collector.room > 0:
            collector.add(_text_of(walk.raw, part, collector))
    for problem in walk.problems:
        collector.trouble(problem)


def _is_text(part: Part) -> bool:
    if part.type.startswith("message/"):
        return part.type not in _OPAQUE_MESSAGES
    return part.type in _HTML or (part.type.startswith("text/") and part.type not in _NO_TEXT)


def _add_headers(head: bytes, collector: _Collector) -> None:
    headers = read_headers(head)
    collector.add(f"{headers.subject}\n{headers.sender}")


def _add_encoded_message(raw: bytes, part: Part, collector: _Collector, depth: int) -> None:
    """RFC 2046 §5.2.1 forbids to encode a nested message; it is done all the same."""
    if depth >= _MAX_ENCODED_DEPTH:
        collector.trouble("encoded messages nested too deep")
        return
    message = _decoded(raw, part, collector)
    _add_headers(message[: 256 * 1024], collector)
    _collect(message, collector, depth + 1)


def _text_of(raw: bytes, part: Part, collector: _Collector) -> str:
    data = _decoded(raw, part, collector)
    if part.type not in _HTML:
        # Four bytes per character at most, so cutting here loses nothing that would be kept.
        data = data[: 4 * collector.room + 4]
    label = next((charset for bom, charset in _BOMS if data.startswith(bom)), part.charset)
    if not label and part.type in _HTML and (meta := _META.search(data, 0, 4096)):
        label = meta[1].decode("ascii", "replace")
    text, certain = decode(data, label)
    if not certain:
        collector.trouble(f"charset {clean(label)!r} is wrong or unknown" if label else "8-bit text without a charset")
    text = text.removeprefix("\ufeff")
    # Again, because character references can stand for NUL and surrogates.
    return clean(html_to_text(text)) if part.type in _HTML else text


def _decoded(raw: bytes, part: Part, collector: _Collector) -> bytes:
    """Return a part's body without its transfer encoding (RFC 2045 §6), damaged ones as far as they go."""
    if part.end - part.start > PART_BYTES:
        collector.trouble(f"a part larger than {PART_BYTES >> 20} MiB was cut")
    data = raw[part.start : min(part.end, part.start + PART_BYTES)]
    if part.encoding == "base64":
        return _base64(data, collector)
    if part.encoding == "quoted-printable":
        return binascii.a2b_qp(data)
    if part.encoding in {"x-uuencode", "uuencode", "x-uue"}:
        return _uudecoded(data, collector)
    if part.encoding not in {"", "7bit", "8bit", "binary"}:
        collector.trouble(f"unknown transfer encoding {clean(part.encoding)[:40]!r}")
    return data


def _base64(data: bytes, collector: _Collector) -> bytes:
    packed = _NOT_BASE64.sub(b"", data)
    # Some mailers join several encoded pieces, each with its own padding.
    pieces = [piece for piece in re.split(b"=+", packed) if piece]
    decoded = []
    for piece in pieces:
        usable = piece[:-1] if len(piece) % 4 == 1 else piece
        if usable is not piece:
            collector.trouble("damaged base64")
        decoded.append(binascii.a2b_base64(usable + b"=" * (-len(usable) % 4)))
    return b"".join(decoded)


def _uudecoded(data: bytes, collector: _Collector) -> bytes:
    lines = data.splitlines()
    begin = next((index + 1 for index, line in enumerate(lines) if line.startswith(b"begin ")), 0)
    decoded = []
    for line in lines[begin:]:
        if line.strip() in {b"end", b"`", b""}:
            continue
        try:
            decoded.append(binascii.a2b_uu(line))
        except binascii.Error:
            collector.trouble("damaged uuencoding")
    return b"".join(decoded)
