"""E-mail addresses in header fields, as mailboxes are looked up by them (RFC 5322 §3.4); hostile input costs linear time."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: Of more addresses than this in one message nobody is the recipient on purpose.
MAX_ADDRESSES = 10_000

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|\\.|[()<>,;]|[^"\\()<>,;]++|.', re.DOTALL)
# From where a word begins: else every letter of a long one would be tried as a beginning.
_BARE = re.compile(
    r'(?<![^\x00-\x20<>,;:"()@])(?:"[^"\x00-\x20]{0,64}+"|[^\x00-\x20<>,;:"()@]++)@[^\x00-\x20<>,;:"()@]++'
)
_LONGEST = 320  # RFC 3696: 64 for the local part, 255 for the domain, and the @
_PLAIN_LOCAL = re.compile(r'"([^"\\\s@]+)"')


def addresses_in(value: str) -> list[str]:
    """Return the addresses of one field in their order, normalised; names, comments and what is no address are left out."""
    return [found for piece in _pieces(value) if (found := _address(piece))][:MAX_ADDRESSES]


def forms_of(address: str) -> list[str]:
    """Return the forms in which a user's address may be written: with its domain in Unicode, and in ASCII (RFC 3490).

    Behind them the same without a sub-address, `user+tag` (RFC 5233), in the order in which they count.
    """
    local, _, domain = address.rpartition("@")
    locals_ = [local] + ([local.partition("+")[0]] if "+" in local.strip("+") else [])
    domains = [domain]
    for form in (_to_unicode(domain), _to_ascii(domain)):
        if form and form not in domains:
            domains.append(form)
    return [f"{local}@{domain}" for local in locals_ for domain in domains]


def _pieces(value: str) -> Iterator[str]:
    """Yield what stands between commas and semicolons; of a piece with angle brackets what they hold."""
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
    """Return the first address in a piece, without an obsolete route before it, or nothing."""
    match = _BARE.search(piece.rpartition(":")[2] if piece.startswith("@") else piece)
    if match is None or len(match[0]) > _LONGEST:
        return ""
    local, _, domain = match[0].rpartition("@")
    plain = _PLAIN_LOCAL.fullmatch(local)
    domain = domain.strip(".'")
    return f"{plain[1] if plain else local}@{domain}".lower().lstrip("'") if domain else ""


def _to_unicode(domain: str) -> str:
    try:
        return domain.encode("ascii").decode("idna") if "xn--" in domain else ""
    except UnicodeError:
        return ""


def _to_ascii(domain: str) -> str:
    try:
        return "" if domain.isascii() else domain.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
