"""Writes command arguments as atoms, quoted strings or literals that every server can parse."""

from __future__ import annotations

import re
from collections.abc import Sequence

from muniment.errors import CommandRefused, Misconfigured

_ATOM = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")
_QUOTABLE = re.compile(rb"[^\x00-\x1f\x7f-\xff]*")
_LITERAL_MINUS_MAX = 4096  # RFC 7888 §5


class Literal(bytes):
    """An argument that is sent as a literal (RFC 3501 §4.3)."""


def astring(value: bytes) -> bytes:
    """Return a folder name as an atom if possible, otherwise quoted, otherwise as a literal.

    Prefer atoms and never quote `&-`: Office 365 never answers `EXAMINE "R&-D"`, but accepts `R&-D`. Raises
    CommandRefused for a name that no command can contain: that concerns one folder, not the mailbox.
    """
    if not can_name(value):
        raise CommandRefused(
            "the folder's name contains a NUL character, which no IMAP command can contain (RFC 9051 §9)",
            hint="Rename the folder on the mail server. The other folders are archived.",
        )
    if _ATOM.fullmatch(value) and value.upper() != b"NIL":
        return value
    return Literal(value) if b"&-" in value else string(value)


def can_name(value: bytes) -> bool:
    """Whether a command can contain this folder name."""
    return b"\0" not in value


def string(value: bytes) -> bytes:
    """Return `value` quoted, or as a literal if it contains 8-bit or control characters."""
    if b"\0" in value:
        raise Misconfigured("a NUL character cannot be sent to a mail server")
    if not _QUOTABLE.fullmatch(value):
        return Literal(value)
    return b'"' + value.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def pieces(words: Sequence[bytes], capabilities: frozenset[str]) -> list[bytes]:
    """Join `words` into the pieces to write; before each piece but the first, wait for the server's `+`.

    With LITERAL+ or LITERAL- (RFC 7888), non-synchronizing literals need no wait.
    """
    finished: list[bytes] = []
    current = b""
    for number, word in enumerate(words):
        current += b" " if number else b""
        if not isinstance(word, Literal):
            current += word
        elif _non_synchronizing(len(word), capabilities):
            current += b"{%d+}\r\n" % len(word) + word
        else:
            finished.append(current + b"{%d}\r\n" % len(word))
            current = bytes(word)
    return [*finished, current + b"\r\n"]


def _non_synchronizing(size: int, capabilities: frozenset[str]) -> bool:
    return "LITERAL+" in capabilities or ("LITERAL-" in capabilities and size <= _LITERAL_MINUS_MAX)
