"""Decodes header values: raw 8-bit text, folding and encoded words (RFC 2047, RFC 2231 §5)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable

from muniment.mail.charsets import clean, decode

# Spaces inside Q-encoded words are forbidden but occur.
_WORD = re.compile(r"=\?([^?*\s]{1,64})(?:\*[^?\s]{0,64})?\?([bBqQ])\?([^?]*)\?=")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_JAPANESE = (b"\x1b$", b"\x1b(")


def escaped(raw: bytes) -> str:
    """Return `raw` reversibly escaped as ASCII without NUL: other bytes become `\\xNN`, backslashes are doubled."""
    text = raw.replace(b"\\", b"\\\\").decode("ascii", "backslashreplace")
    return _CONTROLS.sub(lambda found: "".join(f"\\x{ord(c):02x}" for c in found[0]), text)


def one_line(text: str) -> str:
    """Return `text` as a single line without control characters: a decoded line break must not forge a header."""
    if text.isprintable():
        return text
    return _CONTROLS.sub(" ", clean(text)).strip()


def unfold(raw: bytes, hints: Callable[[], Iterable[str]] = tuple) -> tuple[str, bool]:
    """Return a field's value as one line, with encoded words left as they are, and whether it is certain (not guessed).

    Raw 8-bit text is decoded as UTF-8 (RFC 6532), otherwise in one of the charsets of `hints()`, otherwise as cp1252.
    Unencoded ISO-2022-JP is recognised by its escape sequences.
    """
    certain = b"\0" not in raw
    if raw.isascii() and b"\x1b" not in raw:
        text = raw.decode("ascii")
    else:
        label = "iso-2022-jp" if any(escape in raw for escape in _JAPANESE) else ""
        text, known = decode(raw, label, () if _is_utf8(raw) else hints())
        certain = certain and known
    # Not a regular expression: one that begins with white space takes quadratic time on blanks.
    text = " ".join(map(str.strip, text.split("\n"))) if "\n" in text else text
    return text.strip(), certain


def decode_words(text: str) -> tuple[str, bool]:
    """Return `text` (one line, from `unfold`) with encoded words decoded, and whether all of them could be decoded.

    White space between encoded words is dropped. Adjacent words in the same charset are joined before decoding, because
    some mailers split multi-byte characters across words, although RFC 2047 §5 forbids it. Words that cannot be decoded
    are left as they are.
    """
    if "=?" not in text:
        return one_line(text), True
    pieces: list[str] = []
    pending = _Pending()
    certain = True
    position = 0
    for word in _WORD.finditer(text):
        between = text[position : word.start()]
        charset, payload = word[1].lower(), _payload(word[2], word[3])
        if payload is None or charset != pending.charset or between.strip():
            certain &= pending.flush_into(pieces)
            if position == 0 or between.strip():
                pieces.append(between)
        if payload is None:
            pieces.append(word[0])
            certain = False
        else:
            pending.add(charset, payload)
        position = word.end()
    certain &= pending.flush_into(pieces)
    pieces.append(text[position:])
    return one_line("".join(pieces)), certain


class _Pending:
    """Bytes of adjacent encoded words that are decoded together."""

    def __init__(self) -> None:
        self.charset = ""
        self._payloads: list[bytes] = []

    def add(self, charset: str, payload: bytes) -> None:
        self.charset = charset
        self._payloads.append(payload)

    def flush_into(self, pieces: list[str]) -> bool:
        if not self.charset:
            return True
        text, certain = decode(b"".join(self._payloads), self.charset)
        if not certain and len(self._payloads) > 1:
            # Stateful charsets (ISO-2022-JP, HZ, UTF-7) must be decoded word by word.
            decoded = [decode(payload, self.charset) for payload in self._payloads]
            text, certain = "".join(t for t, _ in decoded), all(c for _, c in decoded)
        pieces.append(text.replace("\ufeff", ""))  # UTF-16 writes a byte order mark into each word
        self.charset, self._payloads = "", []
        return certain


def _payload(encoding: str, text: str) -> bytes | None:
    raw = text.encode("utf-8", "replace")
    if encoding in "qQ":
        return binascii.a2b_qp(raw.replace(b" ", b"_"), header=True)
    packed = _NOT_BASE64.sub(b"", raw)
    if len(packed) % 4 == 1:
        return None
    return binascii.a2b_base64(packed + b"=" * (-len(packed) % 4))


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
