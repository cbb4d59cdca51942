"""Recognises messages that a mail server delivers in place of one that it cannot deliver.

The patterns are data: `shipped_substitutes` says what they may contain.
"""

from __future__ import annotations

import email
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.message import Message
from functools import lru_cache
from pathlib import Path
from typing import Any

from muniment.errors import Misconfigured
from muniment.mail.charsets import decode
from muniment.mail.headers import header_block
from muniment.mail.markup import html_to_text
from muniment.mail.shipped_substitutes import SHIPPED
from muniment.model.message import Headers

#: How many bytes of a message are read to recognise it; what servers make up is far shorter.
HEAD_BYTES = 64 * 1024

#: Only this many characters of a field or a body are compared.
_COMPARED = 2000

_CRITERIA = ("sender", "subject", "body", "header")
_SENT = re.compile(rb"\n(?:received|message-id)[ \t]*:[ \t]*\S", re.IGNORECASE)
_FOLD = re.compile(r"\n(?=[ \t])")
_HINT = "docs/how-to/handle-missing-messages.md explains the form."


@dataclass(frozen=True)
class Substitute:
    """What a message is. `is_certain`: it stands for another one; otherwise it only looks like that."""

    name: str
    is_certain: bool


@dataclass(frozen=True)
class Pattern:
    """One kind of substitute; each criterion is a set of alternatives, and empty if it does not matter."""

    substitute: Substitute
    sender: Sequence[str] = ()
    subject: Sequence[str] = ()
    body: Sequence[str] = ()
    header: Sequence[str] = ()
    unsent: bool = False


class Patterns:
    """The shipped patterns and those of a file."""

    def __init__(self, patterns: Iterable[Pattern]) -> None:
        # Certain ones first: the first match decides.
        self._patterns = sorted(patterns, key=lambda pattern: not pattern.substitute.is_certain)
        # The longest word of each glob, to look at the lines of few headers only.
        globs = [glob for pattern in self._patterns for glob in pattern.header]
        self._words = [max(re.split(r"[* ]+", glob), key=len).encode() for glob in globs]

    def find(self, head: bytes, headers: Headers) -> Substitute | None:
        """Return what the message that begins with `head` (`HEAD_BYTES` suffice) is; None: an ordinary message."""
        sender, subject = _plain(headers.sender), _plain(headers.subject)
        lines = self._lines(head)
        body: str | None = None
        for pattern in self._patterns:
            if not (_any(pattern.sender, [sender]) and _any(pattern.subject, [subject])):
                continue
            if not _any(pattern.header, lines) or (pattern.unsent and _SENT.search(header_block(head))):
                continue
            if pattern.body:
                body = _plain(_text(head)) if body is None else body
                if not _any(pattern.body, [body]):
                    continue
            return pattern.substitute
        return None

    def _lines(self, head: bytes) -> list[str]:
        """Return the lines of the header, unfolded, if one of them can match; otherwise none."""
        if not self._words:
            return []
        block = header_block(head)
        lower = block.lower()
        if not any(word in lower for word in self._words):
            return []
        text = _FOLD.sub(" ", block.decode("latin-1").replace("\r", ""))
        return [_plain(line) for line in text.split("\n") if line]


@lru_cache(maxsize=8)
def load_patterns(path: Path | None) -> Patterns:
    """Return the shipped patterns and those in a file; Misconfigured if it cannot be read or understood."""
    patterns = _parse(SHIPPED, "shipped_substitutes")
    if path is not None:
        try:
            patterns += _parse(path.read_text("utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise Misconfigured(f"the patterns of substitutes in {path} cannot be read: {error}") from error
    return Patterns(patterns)


def _parse(text: str, name: str) -> list[Pattern]:
    try:
        found = tomllib.loads(text)
        entries = found.pop("substitute", [])
        if found or not isinstance(entries, list):
            raise ValueError("expected a list of [[substitute]]")
        return [_pattern(dict(entry)) for entry in entries]
    except (tomllib.TOMLDecodeError, ValueError, TypeError) as error:
        raise Misconfigured(f"{name} is not a list of patterns of substitutes: {error}", hint=_HINT) from error


def _pattern(entry: dict[str, Any]) -> Pattern:
    name = entry.pop("name", "")
    certain, unsent = entry.pop("certain", True), entry.pop("unsent", False)
    if not isinstance(name, str) or not name.strip():
        raise ValueError("a pattern has no name")
    if not isinstance(certain, bool) or not isinstance(unsent, bool):
        raise TypeError(f"{name}: certain and unsent are true or false")
    if unknown := entry.keys() - set(_CRITERIA):
        raise ValueError(f"{name}: {min(unknown)} is not one of {', '.join((*_CRITERIA, 'unsent', 'certain'))}")
    criteria = {key: _globs(name, value) for key, value in entry.items()}
    if not any(criteria.get(key) for key in ("sender", "subject", "header")):
        raise ValueError(f"{name}: a pattern needs a sender, a subject or a header")
    return Pattern(Substitute(name.strip(), certain), **criteria, unsent=unsent)


def _globs(name: str, value: object) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(one, str) and one.strip("* ") for one in values):
        raise ValueError(f"{name}: a criterion is a text or a list of texts, and not only *")
    return tuple(_plain(one) for one in values)


def _plain(text: str) -> str:
    """Return text in lower case, on one line, with plain apostrophes."""
    return " ".join(text[:_COMPARED].replace("\u2019", "'").replace("\u02bc", "'").lower().split())


def _any(globs: Sequence[str], texts: Sequence[str]) -> bool:
    return not globs or any(_matches(glob, text) for glob in globs for text in texts)


def _matches(glob: str, text: str) -> bool:
    """Compare in linear time: the leftmost place of each piece leaves the most room for the next ones."""
    first, *pieces = glob.split("*")
    if not pieces:
        return text == first
    *between, last = pieces
    if not text.startswith(first) or len(text) < len(first) + len(last) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in between:
        found = text.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _text(head: bytes) -> str:
    """Return the beginning of the first text part of a message."""
    try:
        parts = list(email.message_from_bytes(head[:HEAD_BYTES]).walk())
        texts = [part for part in parts if part.get_content_maintype() == "text"]
        return _decoded(texts[0]) if texts else ""
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""  # the parser of the standard library meets hostile mail


def _decoded(part: Message) -> str:
    data = part.get_payload(decode=True)
    raw = data if isinstance(data, bytes) else b""
    text, _ = decode(raw[: _COMPARED * 8], part.get_content_charset() or "")
    return html_to_text(text) if part.get_content_subtype() == "html" else text
