"""Folder names: decodes and encodes modified UTF-7 (RFC 3501 §5.1.3) and splits paths."""

from __future__ import annotations

import base64
import re

_SHIFTED = re.compile(r"&([A-Za-z0-9+,]*)-")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]+")


def decode(name: bytes) -> str:
    """Decode a folder name as the server sent it.

    Never fails: a sequence that is not canonical modified UTF-7 stays unchanged, a name with
    8-bit bytes is decoded as UTF-8 (some servers send that without being asked), and invalid
    bytes become `\\xNN`. Different names on one server decode to different texts.
    """
    if not name.isascii():
        return _without_nul(name.decode("utf-8", "backslashreplace"))
    return _without_nul(_SHIFTED.sub(_unshift, name.decode("ascii")))


def encode(text: str) -> bytes:
    """Return `text` in modified UTF-7."""
    return _UNPRINTABLE.sub(_shift, text.replace("&", "&-")).encode("ascii")


def split_path(name: bytes, delimiter: bytes | None) -> tuple[str, ...]:
    """Split a folder name at the server's delimiter and decode its parts; without a delimiter there is one part.

    A delimiter inside a shifted sequence belongs to the sequence. INBOX becomes upper case,
    because it is case-insensitive (RFC 9051 §5.1).
    """
    parts = [decode(part) for part in _split(name, delimiter)]
    if parts[0].upper() == "INBOX":
        parts[0] = "INBOX"
    return tuple(parts)


def _split(name: bytes, delimiter: bytes | None) -> list[bytes]:
    if not delimiter:
        return [name]
    if len(name) > len(delimiter) and name.endswith(delimiter):
        name = name[: -len(delimiter)]
    if not name.isascii() or b"&" not in name:
        return name.split(delimiter)
    parts, start = [], 0
    for match in re.finditer(rb"&[A-Za-z0-9+,]*-|" + re.escape(delimiter), name):
        if match.group() == delimiter:
            parts.append(name[start : match.start()])
            start = match.end()
    return [*parts, name[start:]]


def _unshift(match: re.Match[str]) -> str:
    sequence = match.group(1)
    if not sequence:
        return "&"
    try:
        padded = sequence.replace(",", "/") + "=" * (-len(sequence) % 4)
        text = base64.b64decode(padded, validate=True).decode("utf-16-be")
    except ValueError:  # wrong base64 length, lone surrogate, half a code unit
        return match.group()
    # Canonical only: otherwise `&AGE-` and `a`, two folders on the server, would decode to the same name.
    return text if encode(text) == match.group().encode() else match.group()


def _shift(match: re.Match[str]) -> str:
    encoded = base64.b64encode(match.group().encode("utf-16-be")).rstrip(b"=")
    return "&" + encoded.decode("ascii").replace("/", ",") + "-"


def _without_nul(text: str) -> str:
    return text.replace("\0", "\\x00")  # file systems and PostgreSQL text cannot store NUL
