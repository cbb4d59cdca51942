"""A second parser of what servers send: slow, simple, over the whole stream at once, and without any of our code.

It returns the (UID, octets) that a server sent; the client may deliver nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_FETCH = re.compile(rb"\* +\d{1,20} FETCH(?: |$)", re.IGNORECASE)
_STATUS = re.compile(rb"\* +(OK|NO|BAD|BYE|PREAUTH) ", re.IGNORECASE)
_ANNOUNCED = re.compile(rb"~?\{(\d+)\+?\}\Z")
_UID = re.compile(rb'(?<![A-Z0-9.])UID +"?(\d{1,20})(?!\d)', re.IGNORECASE)
_BODY = re.compile(rb"BODY\[\] *\Z", re.IGNORECASE)
_QUOTED = re.compile(rb'BODY\[\] *"((?:[^"\\]|\\.)*)"', re.IGNORECASE | re.DOTALL)
_GAP = b"\xff\xffGAP\xff\xff"


def delivered(stream: bytes) -> set[tuple[int, bytes]]:
    """Return every combination of UID and content that one FETCH response of the stream contains."""
    pairs: set[tuple[int, bytes]] = set()
    for text, literals in _responses(stream):
        if not _FETCH.match(text):
            continue
        pieces = text.split(_GAP)
        uids = {int(match[1]) for match in _UID.finditer(_joined(pieces, literals))}
        bodies = [body for before, body in zip(pieces, literals, strict=False) if _BODY.search(before)]
        bodies += [re.sub(rb'\\(["\\])', rb"\1", match[1]) for match in _QUOTED.finditer(text)]
        pairs.update((uid, body) for uid in uids for body in bodies)
    return pairs


def _joined(pieces: list[bytes], literals: list[bytes]) -> bytes:
    """Return a response with its short literals inserted, because a UID may be sent as a literal."""
    short = [b" %b " % literal if len(literal) <= 20 else b" " for literal in literals]
    return b"".join(piece + literal for piece, literal in zip(pieces, [*short, b""], strict=True))


def _responses(stream: bytes) -> Iterator[tuple[bytes, list[bytes]]]:
    """Yield the text of each complete response with placeholders for its literals, and the literals."""
    at, text = 0, b""
    literals: list[bytes] = []
    stray_allowed = False
    while (end := stream.find(b"\r\n", at)) >= 0:
        line, at = stream[at:end], end + 2
        if not line and stray_allowed and _FETCH.match(text):
            stray_allowed = False
            continue
        text += line
        announced = _ANNOUNCED.search(line)
        if announced is None or not text.startswith(b"* ") or _STATUS.match(text):
            yield text, literals
            text, literals, stray_allowed = b"", [], False
            continue
        size = int(announced[1]) if len(announced[1]) < 20 else len(stream)
        text = text[: -len(announced[0])] + _GAP
        literals.append(stream[at : at + size])
        at += size
        stray_allowed = True
