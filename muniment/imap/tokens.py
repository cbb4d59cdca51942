"""Tokens: the data of one response as Python values (RFC 3501 §9).

A response arrives as *parts*: text and literals in turn, text first and last. Pure and linear:
no recursion, no backtracking, whatever a server sends.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from muniment.errors import ProtocolViolation
from muniment.mailserver.server_text import shown
from muniment.mailserver.spool import Body

#: Text and literals in turn; a message's body is not bytes but where it was put.
Part: TypeAlias = "bytes | Body"


class String(bytes):
    """A quoted string or a literal; what is bytes and not this is an atom, in which no content is ever sent."""

    __slots__ = ()


#: An atom (bytes) or a string (String), NIL (None), a list, or the body of a message.
Value: TypeAlias = "bytes | Body | list[Value] | None"

#: No database takes more, either.
MAX_NUMBER = 2**63 - 1
#: Sizes are claims that are not stored: servers that lie about them cost nobody a message.
MAX_CLAIM = 10**20

_MAX_DEPTH = 64
_MAX_TOKENS = 200_000

# A section may hold blanks, parentheses and quoted names of fields (Courier); it is bounded, and holds no
# further bracket, so that a hostile line stays linear.
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
    """Return the values of a response; ProtocolViolation when it is not IMAP data."""
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
        raise ProtocolViolation("a list of the server's answer is not closed")
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
                raise ProtocolViolation("lists of the server's answer are nested too deep")
        elif kind == 4 and len(stack) > 1:
            stack.pop()
            top = stack[-1]
        else:
            raise ProtocolViolation(f"the server's answer is not IMAP: {shown(text[match.start() :])}")
        budget -= 1
        if budget < 0:
            raise ProtocolViolation("the server's answer has too many parts")
    return budget


def unescape(quoted: bytes) -> bytes:
    """Undo `\\"` and `\\\\` of a quoted string; other backslashes are the server's mistake and stay."""
    return _ESCAPED.sub(rb"\1", quoted) if b"\\" in quoted else quoted


def number(value: Value, most: int = MAX_NUMBER) -> int:
    """Return a number of at most 63 bits, as the longest of IMAP has (RFC 7162 §7); ProtocolViolation for anything else."""
    if isinstance(value, bytes) and value.isdigit() and len(value) <= 20 and (found := int(value)) <= most:
        return found
    raise ProtocolViolation(f"the server sent {shown(value)} where a number belongs")
