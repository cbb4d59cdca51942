"""Extracts e-mail addresses from header fields (RFC 5322 §3.4) to look up mailboxes, in linear time on any input."""

from __future__ import annotations

import re
from collections.abc import Iterator

from muniment.mail.domains import domain_forms

#: Maximum number of addresses per message; genuine messages have fewer recipients.
MAX_ADDRESSES = 10_000

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|\\.|[()<>,;]|[^"\\()<>,;]++|.', re.DOTALL)
# Anchored at the start of a word; otherwise, every character of a long word would be tried as a start.
_BARE = re.compile(
    r'(?<![^\x00-\x20<>,;:"()@])(?:"[^"\x00-\x20]{0,64}+"|[^\x00-\x20<>,;:"()@]++)@[^\x00-\x20<>,;:"()@]++'
)
_LONGEST = 320  # RFC 3696: 64 for the local part, 255 for the domain, and the @
_PLAIN_LOCAL = re.compile(r'"([^"\\\s@]+)"')


def addresses_in(value: str) -> list[str]:
    """Return the normalised addresses in a field's value, in order, without names, comments and invalid addresses."""
    return [found for piece in _pieces(value) if (found := _address(piece))][:MAX_ADDRESSES]


def forms_of(address: str) -> list[str]:
    """Return the equivalent forms of a user's address, in order of preference.

    These are the address with its domain in Unicode and in ASCII (RFC 3490), followed by the same forms without a
    subaddress as in `user+tag` (RFC 5233).
    """
    local, _, domain = address.rpartition("@")
    locals_ = [local] + ([local.partition("+")[0]] if "+" in local.strip("+") else [])
    domains = [domain, *domain_forms(domain)]
    return [f"{local}@{domain}" for local in locals_ for domain in domains]


def _pieces(value: str) -> Iterator[str]:
    """Split at commas and semicolons; of a piece with angle brackets, yield only the text within them."""
    text, inner, depth, angle = "", None, 0, False
    for match in _TOKEN.finditer(value):
        mark = match[0]
        if mark == "(" and not angle:
            depth += 1
        elif depth:
            depth -= mark == ")"
        elif mark == "<":
            inner, angle = "", True
        elif mark == ">":
            angle = False
        elif mark in ",;" and not angle:
            yield inner if inner is not None else text
            text, inner = "", None
        elif angle:
            inner = (inner or "") + mark
        else:
            text += mark
    yield inner if inner is not None else text


def _address(piece: str) -> str:
    """Return the first address in a piece, without an obsolete route, or an empty string."""
    match = _BARE.search(piece.rpartition(":")[2] if piece.startswith("@") else piece)
    if match is None or len(match[0]) > _LONGEST:
        return ""
    local, _, domain = match[0].rpartition("@")
    plain = _PLAIN_LOCAL.fullmatch(local)
    domain = domain.strip(".'")
    return f"{plain[1] if plain else local}@{domain}".lower().lstrip("'") if domain else ""
