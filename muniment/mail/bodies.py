"""Extracts the text of a message for full-text indexing; parts that cannot be read are skipped and reported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from muniment.mail.calendar import calendar_text, is_calendar
from muniment.mail.charset_names import is_no_label
from muniment.mail.charsets import clean, decode
from muniment.mail.headers import charset_hints, read_headers
from muniment.mail.links import links_in_text
from muniment.mail.markup import MAX_TAGS, read_html
from muniment.mail.parts import Part, Walk
from muniment.mail.transfer import decode_transfer, packed_files
from muniment.model.text_problem import ProblemCode, TextProblem

#: Maximum number of bytes read per text part; longer parts are truncated.
PART_BYTES = 16 * 1024 * 1024
MAX_NAMES = 1000
#: Maximum total size of a message's attachments that are returned.
ATTACHMENT_BYTES = 64 * 1024 * 1024
#: Maximum number of problems and of links that are returned.
MAX_PROBLEMS = 50
MAX_LINKS = 2000
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
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\0\0", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_META = re.compile(rb"""<meta[^>]{0,200}charset\s{0,9}=\s{0,9}["']?([\w.:-]{2,40})""", re.IGNORECASE)
_MESSAGE = re.compile(
    rb"(?=(?:[!-9;-~]{1,60}:[^\n]*\n|[ \t][^\n]*\n){0,100}(?:from|date|received|message-id)[ \t]*:)"
    rb"(?:from|to|date|subject|received|return-path|delivered-to|message-id|mime-version|x-[a-z-]{1,40})[ \t]*:",
    re.IGNORECASE,
)
_HINT_BYTES = 256 * 1024


@dataclass(frozen=True)
class Attachment:
    """A decoded part that is not text; `name` and `type` are the sender's claims, `part` is for reports."""

    name: str
    type: str
    data: bytes
    part: str = field(default="", compare=False)


@dataclass(frozen=True)
class BodyText:
    """The parts of a message that full-text search needs.

    `problems`: what is missing, damaged or guessed. `attached`: texts of text attachments. `attachments`: other
    attachments, to be read by `muniment.attachments`. `links`: where links lead.
    """

    text: str
    attachment_names: tuple[str, ...] = ()
    problems: tuple[TextProblem, ...] = ()
    attached: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    links: tuple[str, ...] = ()
    has_attachment: bool = False

    @property
    def lost(self) -> tuple[str, ...]:
        """The problems in words."""
        return tuple(dict.fromkeys(problem.words for problem in self.problems))


@dataclass
class _Collector:
    """Collects text, up to `room` characters. `part`: the current one."""

    raw: bytes
    room: int
    texts: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    attached: list[str] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    links: dict[str, None] = field(default_factory=dict)
    bytes_left: int = ATTACHMENT_BYTES
    tags: int = MAX_TAGS
    has_attachment: bool = False
    problems: dict[TextProblem, None] = field(default_factory=dict)
    part: str = ""
    count: int = 0

    @cached_property
    def _hints(self) -> list[str]:
        return charset_hints(self.raw[:_HINT_BYTES])

    def hints(self) -> Iterator[str]:
        """Yield the charsets that the message names, for parts that name none; looked for when first asked."""
        yield from self._hints

    def begin(self, part: Part) -> None:
        self.count += 1
        self.part = f"{self.count} {part.name or part.type}"
        self.name(part.name)

    def name(self, name: str) -> None:
        if name and len(self.names) < MAX_NAMES:
            self.names.append(name)

    def add(self, text: str, *, attached: bool = False) -> None:
        text = text.strip()
        if len(text) > self.room:
            self.trouble(ProblemCode.LIMIT, "text truncated at the limit")
            text = text[: self.room]
        if text:
            (self.attached if attached else self.texts).append(text)
            self.room -= len(text)

    def link(self, links: list[str]) -> None:
        self.links.update(dict.fromkeys(links[: max(0, MAX_LINKS - len(self.links))]))

    def trouble(self, code: ProblemCode, words: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems[TextProblem(code, words, clean(self.part)[:200])] = None

    def attach(self, name: str, kind: str, data: bytes) -> None:
        """Keep an attachment if it fits within the limits."""
        if len(data) > self.bytes_left or len(self.attachments) >= MAX_NAMES:
            self.trouble(
                ProblemCode.LIMIT,
                f"attachments beyond {ATTACHMENT_BYTES >> 20} MiB or {MAX_NAMES} files were not read",
            )
        elif data:
            self.attachments.append(Attachment(name, kind, data, self.part))
            self.bytes_left -= len(data)


def read_text(raw: bytes, *, limit: int) -> BodyText:
    """Return the text of `raw`, at most `limit` characters, and the names of its attachments; never raises.

    The text consists of all text parts (HTML without tags, calendars and contacts without grammar), including those of
    nested messages, which also contribute their subject and sender. The number, depth and size of parts are limited.
    File names are the sender's claims and must never be used as paths.
    """
    collector = _Collector(raw, limit)
    _collect(raw, collector, 0)
    return BodyText(
        text="\n".join(collector.texts)[:limit],
        attachment_names=tuple(collector.names),
        problems=tuple(collector.problems),
        attached=tuple(collector.attached),
        attachments=tuple(collector.attachments),
        links=tuple(collector.links),
        has_attachment=collector.has_attachment,
    )


def _collect(raw: bytes, collector: _Collector, depth: int) -> None:
    walk = Walk(raw)
    for part in walk:
        collector.begin(part)
        collector.has_attachment |= _is_attachment(part)
        if part.is_open_message:
            _add_headers(walk.raw[part.start : part.end], collector)
        elif part.boundary or part.type in _MESSAGES:
            _add_encoded_message(walk.raw, part, collector, depth)
        elif not _is_text(part):
            _add_attachment(walk.raw, part, collector, depth)
        elif collector.room > 0:
            text = _text_of(walk.raw, part, collector)
            collector.add(text, attached=part.disposition == "attachment")
        else:
            collector.trouble(ProblemCode.LIMIT, "text truncated at the limit")
    collector.part = ""
    for words in walk.problems:
        collector.trouble(ProblemCode.STRUCTURE, words)
    for words in walk.limits:
        collector.trouble(ProblemCode.LIMIT, words)


def _is_attachment(part: Part) -> bool:
    """Whether users perceive the part as an attachment: inline pictures and signatures are not."""
    if part.type in _SIGNATURES or (part.disposition == "inline" and part.type.startswith("image/")):
        return False
    return part.disposition == "attachment" or bool(part.name) or part.type in _MESSAGES


def _add_attachment(raw: bytes, part: Part, collector: _Collector, depth: int) -> None:
    """Keep an attachment; a message that its sender calls a file without a type is read as a message."""
    if part.type == "application/pgp-encrypted":
        collector.trouble(ProblemCode.ENCRYPTED, "encrypted with PGP")
    if part.type in _SIGNATURES or part.type.startswith(_WITHOUT_TEXT):
        return
    if part.end - part.start > 2 * ATTACHMENT_BYTES:
        size = (part.end - part.start) >> 20
        collector.trouble(ProblemCode.LIMIT, f"an attachment of {size} MiB was not read")
        return
    data = _decoded(raw, part, collector, limit=2 * ATTACHMENT_BYTES)
    if part.type == "application/octet-stream" and depth < _MAX_ENCODED_DEPTH and _MESSAGE.match(data.lstrip()[:4096]):
        _add_headers(data.lstrip()[: 256 * 1024], collector)
        _collect(data.lstrip(), collector, depth + 1)
    else:
        collector.attach(part.name, part.type, data)


def _is_text(part: Part) -> bool:
    if is_calendar(part.type, part.name) or part.type.startswith("message/"):
        return True
    return part.type in _HTML or (part.type.startswith("text/") and part.type not in _NO_TEXT)


def _add_headers(head: bytes, collector: _Collector) -> None:
    headers = read_headers(head)
    collector.add(f"{headers.subject}\n{headers.sender}\n{headers.recipients}")


def _add_encoded_message(raw: bytes, part: Part, collector: _Collector, depth: int) -> None:
    """Read a nested message or multipart that is encoded as a whole; RFC 2045 §6.4 forbids it, but it occurs."""
    if depth >= _MAX_ENCODED_DEPTH:
        collector.trouble(ProblemCode.LIMIT, "encoded messages nested too deep")
        return
    message = _decoded(raw, part, collector)
    if part.boundary:
        message = b'Content-Type: %s; boundary="%s"\n\n' % (part.type.encode(), part.boundary) + message
    else:
        _add_headers(message[: 256 * 1024], collector)
    _collect(message, collector, depth + 1)


def _text_of(raw: bytes, part: Part, collector: _Collector) -> str:
    data = _decoded(raw, part, collector)
    if part.type == "message/partial":
        collector.trouble(ProblemCode.STRUCTURE, "a fragment of a message (message/partial)")
    if part.type not in _HTML:
        data = _without_packed_files(data, collector)
        # A character has at most four bytes, so this truncates only text that would be dropped anyway.
        data = data[: 4 * collector.room + 4]
    text = _characters(data, part, collector)
    if _PGP in text:
        collector.trouble(ProblemCode.ENCRYPTED, "encrypted with PGP")
    if part.type in _HTML:
        page = read_html(text, collector.tags)
        collector.tags -= page.tags
        if not page.is_whole:
            collector.trouble(ProblemCode.LIMIT, f"HTML beyond {MAX_TAGS:,} tags in a message was not read")
        collector.link(page.links)
        # Clean again, because character references can produce NUL and surrogates.
        return clean(page.text)
    if is_calendar(part.type, part.name):
        text = calendar_text(text)
    elif part.flow and part.type == "text/plain":
        text = _unflowed(text, deletes_space=part.flow == "delsp")
    collector.link(links_in_text(text))
    return text


def _characters(data: bytes, part: Part, collector: _Collector) -> str:
    """Return the text of decoded bytes; a charset that is not certain is reported."""
    label = next((charset for bom, charset in _BOMS if data.startswith(bom)), part.charset)
    if (not label or is_no_label(label)) and part.type in _HTML and (meta := _META.search(data, 0, 4096)):
        label = meta[1].decode("ascii", "replace")
    text, certain = decode(data, label, collector.hints())
    if not certain:
        said = f"charset {clean(label)!r} is wrong or unknown" if label else "8-bit text without a declared charset"
        collector.trouble(ProblemCode.CHARSET, f"{said}: it was guessed")
    return text.removeprefix("\ufeff")


def _unflowed(text: str, *, deletes_space: bool) -> str:
    """Join lines that end in a space with the next line of the same quote depth (RFC 3676 §4.1, §4.2)."""
    pieces: list[str] = []  # not joined line by line, which takes quadratic time for a long paragraph
    goes_on, depth = False, 0
    for line in text.splitlines():
        content = line.lstrip(">")
        quotes = len(line) - len(content)
        content = content.removeprefix(" ")
        flows = content.endswith(" ") and content != "-- "
        if pieces and not (goes_on and quotes == depth and content != "-- "):
            pieces.append("\n")
        pieces.append(content[:-1] if flows and deletes_space else content)
        goes_on, depth = flows, quotes
    return "".join(pieces)


def _without_packed_files(data: bytes, collector: _Collector) -> bytes:
    """Take files that are encoded within a text, as before MIME, out of it."""
    unpacked = packed_files(data)
    if unpacked.has_unended:
        collector.trouble(ProblemCode.ENCODING, "a file within the text has no end")
    for file in unpacked.files:
        name = decode(file.name)[0]
        collector.name(name)
        collector.has_attachment = True
        collector.attach(name, "", file.data)
        if file.problem:
            collector.trouble(ProblemCode.ENCODING, file.problem)
    return unpacked.rest


def _decoded(raw: bytes, part: Part, collector: _Collector, *, limit: int = PART_BYTES) -> bytes:
    """Decode a part's transfer encoding (RFC 2045 §6), as far as possible if it is damaged."""
    if part.end - part.start > limit:
        collector.trouble(ProblemCode.LIMIT, f"a part larger than {limit >> 20} MiB was truncated")
    is_text = _is_text(part)
    found = decode_transfer(raw[part.start : min(part.end, part.start + limit)], part.encoding, is_text=is_text)
    for problem in found.problems:
        collector.trouble(ProblemCode.ENCODING, problem)
    return found.data
