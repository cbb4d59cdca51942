"""Extracts the text of a message for full-text indexing; parts that cannot be read are skipped and reported."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass, field

from muniment.mail.charsets import clean, decode
from muniment.mail.headers import read_headers
from muniment.mail.markup import html_to_text
from muniment.mail.parts import Part, Walk

#: Maximum number of bytes read per text part; longer parts are truncated.
PART_BYTES = 16 * 1024 * 1024
MAX_NAMES = 1000
#: Maximum total size of a message's attachments that are returned.
ATTACHMENT_BYTES = 64 * 1024 * 1024
#: Maximum nesting of messages that are themselves transfer-encoded.
_MAX_ENCODED_DEPTH = 4

_HTML = {"text/html", "application/xhtml+xml", "text/enriched", "text/richtext"}
_NO_TEXT = {"text/rtf", "text/css", "text/javascript", "text/x-javascript"}
_MESSAGES = {"message/rfc822", "message/global"}
_SIGNATURES = {
    *("application/pgp-signature", "application/pgp-encrypted", "application/pgp-keys"),
    *("application/pkcs7-signature", "application/x-pkcs7-signature"),
}
_WITHOUT_TEXT = ("image/", "audio/", "video/", "font/")
_PGP = "-----BEGIN PGP MESSAGE-----"
_BEGIN = re.compile(rb"^begin(-base64)? [0-7]{3,4} ([^\r\n]{1,200})\r?\n", re.MULTILINE)
_END = re.compile(rb"^(?:end|====)[ \t]*\r?$", re.MULTILINE)
_OPAQUE_MESSAGES = {"message/partial", "message/external-body"}
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_META = re.compile(rb"""<meta[^>]{0,200}charset\s{0,9}=\s{0,9}["']?([\w.:-]{2,40})""", re.IGNORECASE)
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=]+")


@dataclass(frozen=True)
class Attachment:
    """A decoded part that is not text; `name` and `type` are the sender's claims."""

    name: str
    type: str
    data: bytes


@dataclass(frozen=True)
class BodyText:
    """The parts of a message that full-text search needs.

    `problem`: what is missing or was guessed; may be empty. `attached`: texts of text attachments. `attachments`: other
    attachments, to be read by `muniment.attachments`. `lost`: the parts of `problem` that are definitely missing text.
    """

    text: str
    attachment_names: tuple[str, ...]
    problem: str
    attached: tuple[str, ...] = field(default=(), compare=False)
    attachments: tuple[Attachment, ...] = field(default=(), compare=False)
    lost: tuple[str, ...] = field(default=(), compare=False)
    has_attachment: bool = field(default=False, compare=False)


@dataclass
class _Collector:
    """Collects text, up to `room` characters."""

    room: int
    texts: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    attached: list[str] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    bytes_left: int = ATTACHMENT_BYTES
    has_attachment: bool = False
    problems: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)

    def add(self, text: str, *, attached: bool = False) -> None:
        text = text.strip()
        if len(text) > self.room:
            self.lose("text truncated at the limit")
            text = text[: self.room]
        if text:
            (self.attached if attached else self.texts).append(text)
            self.room -= len(text)

    def trouble(self, problem: str) -> None:
        if problem not in self.problems and len(self.problems) < 10:
            self.problems.append(problem)

    def lose(self, problem: str) -> None:
        """Record a problem that causes missing text."""
        self.trouble(problem)
        if problem not in self.lost and len(self.lost) < 10:
            self.lost.append(problem)

    def attach(self, name: str, kind: str, data: bytes) -> None:
        """Keep an attachment if it fits within the limits."""
        if len(data) > self.bytes_left or len(self.attachments) >= MAX_NAMES:
            self.lose(f"attachments beyond {ATTACHMENT_BYTES >> 20} MiB or {MAX_NAMES} files were not read")
        elif data:
            self.attachments.append(Attachment(name, kind, data))
            self.bytes_left -= len(data)


def read_text(raw: bytes, *, limit: int) -> BodyText:
    """Return the text of `raw`, at most `limit` characters, and the names of its attachments; never raises.

    The text consists of all text parts (HTML without tags), including those of nested messages, which also contribute
    their subject and sender. The number, depth and size of parts are limited. File names are the sender's claims and
    must never be used as paths.
    """
    collector = _Collector(limit)
    _collect(raw, collector, 0)
    return BodyText(
        text="\n".join(collector.texts)[:limit],
        attachment_names=tuple(collector.names),
        problem="; ".join(collector.problems),
        attached=tuple(collector.attached),
        attachments=tuple(collector.attachments),
        lost=tuple(collector.lost),
        has_attachment=collector.has_attachment,
    )


def _collect(raw: bytes, collector: _Collector, depth: int) -> None:
    walk = Walk(raw)
    for part in walk:
        if part.name and len(collector.names) < MAX_NAMES:
            collector.names.append(part.name)
        collector.has_attachment |= _is_attachment(part)
        if part.is_open_message:
            _add_headers(walk.raw[part.start : part.end], collector)
        elif part.type in _MESSAGES:
            _add_encoded_message(walk.raw, part, collector, depth)
        elif _is_text(part) and collector.room > 0:
            text = _text_of(walk.raw, part, collector)
            collector.add(text, attached=part.disposition == "attachment")
        elif not _is_text(part):
            _add_attachment(walk.raw, part, collector)
    for problem in walk.problems:
        collector.lose(problem)


def _is_attachment(part: Part) -> bool:
    """Whether users perceive the part as an attachment: inline pictures and signatures are not."""
    if part.type in _SIGNATURES or (part.disposition == "inline" and part.type.startswith("image/")):
        return False
    return part.disposition == "attachment" or bool(part.name) or part.type in _MESSAGES


def _add_attachment(raw: bytes, part: Part, collector: _Collector) -> None:
    if part.type == "application/pgp-encrypted":
        collector.lose("encrypted with PGP")
    if part.type in _SIGNATURES or part.type in _OPAQUE_MESSAGES or part.type.startswith(_WITHOUT_TEXT):
        return
    if part.end - part.start > 2 * ATTACHMENT_BYTES:
        collector.lose(f"an attachment of {(part.end - part.start) >> 20} MiB was not read")
        return
    collector.attach(part.name, part.type, _decoded(raw, part, collector, limit=2 * ATTACHMENT_BYTES))


def _is_text(part: Part) -> bool:
    if part.type.startswith("message/"):
        return part.type not in _OPAQUE_MESSAGES
    return part.type in _HTML or (part.type.startswith("text/") and part.type not in _NO_TEXT)


def _add_headers(head: bytes, collector: _Collector) -> None:
    headers = read_headers(head)
    collector.add(f"{headers.subject}\n{headers.sender}")


def _add_encoded_message(raw: bytes, part: Part, collector: _Collector, depth: int) -> None:
    """Read a transfer-encoded nested message; RFC 2046 §5.2.1 forbids them, but they occur."""
    if depth >= _MAX_ENCODED_DEPTH:
        collector.trouble("encoded messages nested too deep")
        return
    message = _decoded(raw, part, collector)
    _add_headers(message[: 256 * 1024], collector)
    _collect(message, collector, depth + 1)


def _text_of(raw: bytes, part: Part, collector: _Collector) -> str:
    data = _decoded(raw, part, collector)
    if part.type not in _HTML:
        if b"\nbegin" in data or data.startswith(b"begin"):
            data = _without_uuencoded(data, collector)
        # A character has at most four bytes, so this truncates only text that would be dropped anyway.
        data = data[: 4 * collector.room + 4]
    label = next((charset for bom, charset in _BOMS if data.startswith(bom)), part.charset)
    if not label and part.type in _HTML and (meta := _META.search(data, 0, 4096)):
        label = meta[1].decode("ascii", "replace")
    text, certain = decode(data, label)
    if not certain:
        collector.trouble(
            f"charset {clean(label)!r} is wrong or unknown" if label else "8-bit text without a declared charset"
        )
    text = text.removeprefix("\ufeff")
    if _PGP in text:
        collector.lose("encrypted with PGP")
    if part.flow and part.type == "text/plain":
        text = _unflowed(text, deletes_space=part.flow == "delsp")
    # Clean again, because character references can produce NUL and surrogates.
    return clean(html_to_text(text)) if part.type in _HTML else text


def _unflowed(text: str, *, deletes_space: bool) -> str:
    """Join lines that end in a space with the next line of the same quote depth (RFC 3676 §4.1, §4.2)."""
    lines: list[str] = []
    goes_on, depth = False, 0
    for line in text.splitlines():
        content = line.lstrip(">")
        quotes = len(line) - len(content)
        content = content.removeprefix(" ")
        flows = content.endswith(" ") and content != "-- "
        piece = content[:-1] if flows and deletes_space else content
        if goes_on and quotes == depth and content != "-- ":
            lines[-1] += piece
        else:
            lines.append(piece)
        goes_on, depth = flows, quotes
    return "\n".join(lines)


def _without_uuencoded(data: bytes, collector: _Collector) -> bytes:
    """Extract uuencoded files, as sent before MIME, from a text; a file without an end marker stays in the text."""
    kept: list[bytes] = []
    position = 0
    while (begin := _BEGIN.search(data, position)) and (end := _END.search(data, begin.end())):
        kept.append(data[position : begin.start()])
        name, packed = decode(begin[2].strip())[0], data[begin.end() : end.start()]
        if len(collector.names) < MAX_NAMES:
            collector.names.append(name)
        collector.has_attachment = True
        collector.attach(name, "", _base64(packed, collector) if begin[1] else _uudecoded(packed, collector))
        position = end.end()
    return b"".join((*kept, data[position:]))


def _decoded(raw: bytes, part: Part, collector: _Collector, *, limit: int = PART_BYTES) -> bytes:
    """Decode a part's transfer encoding (RFC 2045 §6), as far as possible if it is damaged."""
    if part.end - part.start > limit:
        collector.lose(f"a part larger than {limit >> 20} MiB was truncated")
    data = raw[part.start : min(part.end, part.start + limit)]
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
    # Some mailers concatenate several encoded pieces, each with its own padding.
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
