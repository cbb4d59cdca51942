"""Tokens: parses the data of one response into Python values (RFC 3501 §9).

A response is a list of *parts*: text and literals alternate, starting and ending with text. Pure
functions in linear time: no recursion and no backtracking, whatever a server sends.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from muniment.errors import ProtocolViolation
from muniment.mailserver.server_text import shown
from muniment.mailserver.spool import Body

#: Text or a literal, as bytes; a message body is an object that refers to its storage.
Part: TypeAlias = "bytes | Body"


class String(bytes):
    """A quoted string or a literal. Plain bytes are an atom; servers never send content in an atom."""

    __slots__ = ()


#: An atom (bytes), a string (String), NIL (None), a list, or a message body.
Value: TypeAlias = "bytes | Body | list[Value] | None"

#: Also the limit of PostgreSQL's bigint.
MAX_NUMBER = 2**63 - 1
#: RFC822.SIZE is not stored, so a false value must not prevent a message from being archived.
MAX_CLAIM = 10**20

_MAX_DEPTH = 64
_MAX_TOKENS = 200_000

# A section may contain spaces, parentheses and quoted field names (Courier). It is bounded and contains no
# nested bracket, so matching stays linear on hostile input.
_SECTION = rb'\[[^\]\["]{0,200}+(?:"[^\]\["\\]{0,100}+"[^\]\["]{0,100}+){0,50}+\]'
# Groups by number: 1 quoted, 2 atom, 3 open, 4 close, 5 anything else.
_TOKEN = re.compile(
    rb' *+(?:"((?:[^"\\]++|\\.)*+)"'
    rb"|((?:(?:BODY|BINARY)" + _SECTION + rb'(?:<\d+>)?)|[^ ()"]++)'
    rb"|(\()|(\))|(.))",
    re.IGNORECASE | re.DOTALL,
)
_ESCAPED = re.compile(rb'\\(["\\])')


def parse(parts: Sequence[Part]) -> list[Value]:
    """Return the values of a response; raise ProtocolViolation if it is not valid IMAP data."""
    root: list[Value] = []
    stack = [root]
    budget = _MAX_TOKENS
    for number, part in enumerate(parts):
        if number % 2:
            stack[-1].append(String(part) if isinstance(part, bytes) else part)
        else:
            assert isinstance(part, bytes)
            budget = _scan(part, stack, budget)
    if len(stack) != 1:
        raise ProtocolViolation("the server's response contains an unclosed list")
    return root


def _scan(text: bytes, stack: list[list[Value]], budget: int) -> int:
    top = stack[-1]
    for match in _TOKEN.finditer(text.rstrip(b" ")):
        kind = match.lastindex
        if kind == 2:
            atom = match[2]
            top.append(None if len(atom) == 3 and atom.upper() == b"NIL" else atom)
        elif kind == 1:
            top.append(String(unescape(match[1])))
        elif kind == 3:
            inner: list[Value] = []
            top.append(inner)
            stack.append(inner)
            top = inner
            if len(stack) > _MAX_DEPTH:
                raise ProtocolViolation("the server's response nests lists too deeply")
        elif kind == 4 and len(stack) > 1:
            stack.pop()
            top = stack[-1]
        else:
            raise ProtocolViolation(f"the server's response is not valid IMAP: {shown(text[match.start() :])}")
        budget -= 1
        if budget < 0:
            raise ProtocolViolation("the server's response has too many tokens")
    return budget


def unescape(quoted: bytes) -> bytes:
    """Unescape `\\"` and `\\\\` in a quoted string; keep other backslashes, which are a server's mistake."""
    return _ESCAPED.sub(rb"\1", quoted) if b"\\" in quoted else quoted


def number(value: Value, most: int = MAX_NUMBER) -> int:
    """Return a number of at most 63 bits, the longest in IMAP (RFC 7162 §7); raise ProtocolViolation otherwise."""
    if isinstance(value, bytes) and value.isdigit() and len(value) <= 20 and (result := int(value)) <= most:
        return result
    raise ProtocolViolation(f"the server sent {shown(value)} instead of a number")
