"""Microsoft Exchange journal reports: extracts the original message and its envelope.

A journal report has the header `X-MS-Journal-Report` and two parts: a text with the envelope, one field per line, and
the original message as message/rfc822 ([MS-XJRNL], Microsoft's bb331962). The original is extracted byte for byte.
"""

from __future__ import annotations

import email
import email.policy
import re
from dataclasses import dataclass
from email.message import Message

from muniment.mail.addresses import addresses_in
from muniment.mail.charsets import decode
from muniment.mail.envelope import Envelope, field_values
from muniment.mail.headers import header_block
from muniment.mail.markup import html_to_text
from muniment.mail.parts import Walk
from muniment.mail.transfer import decode_transfer
from muniment.model.message import MessageSlice, RawMessage

#: Number of leading bytes that contain the envelope text and all headers.
_HEAD_BYTES = 256 * 1024
_TAIL_BYTES = 64 * 1024
_CHUNK_BYTES = 1024 * 1024

_MARKS = ("X-MS-Journal-Report", "X-MS-Exchange-Journal-Report")
_MESSAGES = {"message/rfc822", "message/global"}
_AS_IT_IS = {"", "7bit", "8bit", "binary"}
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_LINE = re.compile(
    r"^[ \t]*(sender|on-behalf-of|to|cc|bcc|recipient)[ \t]*:[ \t]*([^\r\n]+)", re.IGNORECASE | re.MULTILINE
)
_FOLD = re.compile(
    r"\r?\n[ \t]+(?!(?:sender|on-behalf-of|to|cc|bcc|recipient|subject|message-id|label)[ \t]*:)", re.IGNORECASE
)
_SENDERS = {"sender", "on-behalf-of"}
_HINT = re.compile(r"\b(?:expanded|forwarded)\s*:", re.IGNORECASE)


@dataclass(frozen=True)
class JournalReport:
    """A report: the original message, its envelope, and the bytes around it, from which the report is restored."""

    inner: MessageSlice
    envelope: Envelope
    before: bytes
    after: bytes


def read_report(raw: RawMessage) -> JournalReport | None:
    """Parse a message as a journal report; None if it is not one or cannot be split exactly.

    Never raises, for any input.
    """
    head = raw.head(_HEAD_BYTES)
    block = header_block(head)
    if not field_values(block, _MARKS):
        return None
    boundary = _boundary(block)
    places = _places(head, boundary) if boundary else None
    if places is None:
        return None
    text, start = places
    end = _end(raw, start, boundary)
    if end is None or raw.size - end > _TAIL_BYTES:
        return None
    inner = MessageSlice(raw, start, end - start)
    after = b"".join(MessageSlice(raw, end, raw.size - end).chunks(_CHUNK_BYTES))
    return JournalReport(inner, _envelope(text), head[:start], after)


def _parsed(header: bytes) -> Message:
    return email.message_from_bytes(header, policy=email.policy.compat32)


def _boundary(block: bytes) -> bytes:
    try:
        outer = _parsed(block.lstrip(b"\n") + b"\n")
        found = outer.get_boundary() if outer.get_content_maintype() == "multipart" else None
        return (found or "").encode("ascii")
    except Exception:  # noqa: BLE001 - the standard library raises many errors on hostile headers
        return b""


def _places(head: bytes, boundary: bytes) -> tuple[bytes, int] | None:
    """Return the first part and the offset of the original message; None if the structure is not as expected."""
    lines = [match.end() for match in re.finditer(rb"(?:^|\n)--" + re.escape(boundary) + rb"[ \t]*\r?\n", head)][:2]
    if len(lines) < 2:
        return None
    first, second = lines
    blank = _BLANK_LINE.search(head, second - 1)
    if blank is None:
        return None
    try:
        part = _parsed(head[second : blank.start() + 1])
        kind, encoding = part.get_content_type(), str(part.get("Content-Transfer-Encoding", "")).strip().lower()
    except Exception:  # noqa: BLE001 - see above
        return None
    if kind not in _MESSAGES or encoding not in _AS_IT_IS:
        return None
    return head[first : head.rfind(b"--" + boundary, first, second)], blank.end()


def _end(raw: RawMessage, start: int, boundary: bytes) -> int | None:
    """Return the end of the original message: before the line break of the next boundary (RFC 2046 §5.1.1)."""
    mark = b"\n--" + boundary
    at, kept = start - 1, b""  # for an empty message, the blank line belongs to the boundary
    for chunk in MessageSlice(raw, at, raw.size - at).chunks(_CHUNK_BYTES):
        kept += chunk
        found = kept.find(mark)
        if found >= 0:
            end = at + found
            is_crlf = found > 0 and kept[found - 1 : found] == b"\r"
            return max(start, end - is_crlf)
        drop = max(0, len(kept) - len(mark) - 1)
        at, kept = at + drop, kept[drop:]
    return None


def _envelope(part: bytes) -> Envelope:
    """Return the envelope that the first text in a part states; an empty one if there is none."""
    walk = Walk(part)
    for found in walk:
        if found.type in {"text/plain", "text/html"}:
            data = decode_transfer(walk.raw[found.start : found.end], found.encoding, is_text=True).data
            text = decode(data, found.charset)[0]
            envelope = _stated(html_to_text(text) if found.type == "text/html" else text)
            if envelope.recipients or envelope.senders:
                return envelope
    return Envelope()


def _stated(text: str) -> Envelope:
    found: dict[bool, dict[str, None]] = {True: {}, False: {}}
    for name, value in _LINE.findall(_FOLD.sub(" ", text)):
        # `Expanded:` and `Forwarded:` name lists and first recipients: they were meant, too.
        found[name.lower() in _SENDERS].update(dict.fromkeys(addresses_in(_HINT.sub(" ", value))))
    return Envelope(tuple(found[True]), tuple(found[False]))
