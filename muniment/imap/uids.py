"""Parses UIDs from SEARCH, ESEARCH (RFC 4731) and FETCH (UID) responses."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Container, Sequence
from itertools import pairwise

from muniment.errors import ProtocolViolation
from muniment.imap import tokens
from muniment.imap.tokens import Part
from muniment.mailserver.server_text import shown

#: No real folder has more UIDs than this: they would not fit into the server's own index.
MAX_UIDS = 20_000_000
_MAX_UID = 2**32 - 1
_BITS = 64
_MASK = 2**_BITS - 1
_NUMBER = re.compile(rb"\d{1,20}+")
_RANGE = re.compile(rb"(\d{1,10}+)(?::(\d{1,10}+))?(?:,|$)")
_SEARCH = re.compile(rb"\* SEARCH((?: \d{1,10}+)*+) ?(?:\(MODSEQ \d+\))? ?", re.IGNORECASE)
# A FETCH with numbers only (UID, RFC822.SIZE) needs no tokenizer. The quantifiers are possessive and names
# begin with a letter; otherwise, a line of digits would cause exponential backtracking.
_NUMBERS_FETCH = re.compile(rb"\* \d{1,10} FETCH \(((?:[A-Z][A-Z0-9.]{0,19}+ \d{1,20}+ ?+)++)\)", re.IGNORECASE)
_PLAIN_FETCH = re.compile(rb"\* \d+ FETCH \(UID (\d{1,10})\)", re.IGNORECASE)


class UidListing:
    """Collects UIDs from untagged responses with one of `keywords`; ignores other responses."""

    def __init__(
        self,
        keywords: Container[bytes] = (b"SEARCH", b"ESEARCH", b"FETCH"),
        on_count: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._keywords = keywords
        self._on_count = on_count  # told how many UIDs there will be, before they are in memory
        # Inclusive ranges: memory grows with the bytes received, not with the size of the ranges that they name.
        self._firsts = array("Q")
        self._lasts = array("Q")
        self._count = 0

    def take(self, keyword: bytes, parts: list[Part]) -> bool:
        """Process one untagged response; return whether it contained UIDs."""
        before = self._count
        if keyword not in self._keywords:
            return False  # an unsolicited FETCH with changed flags may arrive during a SEARCH
        if keyword == b"SEARCH":
            self._take_search(parts)
        elif keyword == b"ESEARCH":
            self._take_esearch(parts)
        elif keyword == b"FETCH":
            self._take_fetch(parts)
        return self._count > before

    def sorted(self) -> array[int]:
        """Return the UIDs, ascending and distinct."""
        firsts, lasts = self._firsts, self._lasts
        if any(lasts[i] >= firsts[i + 1] for i in range(len(firsts) - 1)):
            firsts, lasts = _merged(firsts, lasts)
        if firsts and not 0 < firsts[0] <= lasts[-1] <= _MAX_UID:
            raise ProtocolViolation(f"the server sent a UID outside of 1 to {_MAX_UID}")
        if firsts == lasts:
            return firsts
        uids = array("Q")
        for first, last in zip(firsts, lasts, strict=True):
            uids.extend(range(first, last + 1))
        return uids

    def _take_search(self, parts: list[Part]) -> None:
        match = _SEARCH.fullmatch(parts[0]) if len(parts) == 1 and isinstance(parts[0], bytes) else None
        if match is None:
            raise ProtocolViolation(f"the server sent a malformed SEARCH response: {shown(parts[0])}")
        self._expect(match[1].count(b" "))
        uids = array("Q", (int(m[0]) for m in _NUMBER.finditer(match[1])))
        self._firsts.extend(uids)
        self._lasts.extend(uids)

    def _take_esearch(self, parts: list[Part]) -> None:
        values = tokens.parse(parts)
        for key, value in pairwise(values):
            if isinstance(key, bytes) and key.upper() == b"ALL" and isinstance(value, bytes):
                self._take_set(value)

    def _take_set(self, text: bytes) -> None:
        at = 0
        while at < len(text):
            match = _RANGE.match(text, at)
            if match is None:
                raise ProtocolViolation(f"the server sent a malformed UID set: {shown(text[at:])}")
            at = match.end()
            first, last = sorted((int(match[1]), int(match[2] or match[1])))
            self._add(first, last)

    def _take_fetch(self, parts: list[Part]) -> None:
        match = _PLAIN_FETCH.fullmatch(parts[0]) if isinstance(parts[0], bytes) else None
        uid = int(match[1]) if match is not None else None
        if uid is None and (value := fetch_items(parts).get(b"UID")) is not None:
            uid = tokens.number(value)
        if uid is not None:
            self._add(uid, uid)

    def _add(self, first: int, last: int) -> None:
        self._expect(last - first + 1)
        self._firsts.append(first)
        self._lasts.append(last)

    def _expect(self, count: int) -> None:
        self._count += count
        if self._count > MAX_UIDS:
            raise ProtocolViolation(f"the server lists more than {MAX_UIDS:,} messages")
        self._on_count(self._count)


def _merged(firsts: array[int], lasts: array[int]) -> tuple[array[int], array[int]]:
    """Return the ranges in ascending order, with overlapping ones merged."""
    starts, ends = array("Q"), array("Q")
    # One number for each range instead of a tuple: a server may send millions of them in any order.
    for both in sorted(first << _BITS | last for first, last in zip(firsts, lasts, strict=True)):
        first, last = both >> _BITS, both & _MASK
        if ends and first <= ends[-1]:
            ends[-1] = max(ends[-1], last)
        else:
            starts.append(first)
            ends.append(last)
    return starts, ends


def fetch_items(parts: list[Part]) -> dict[bytes, tokens.Value]:
    """Return the items of `* n FETCH (name value …)` by upper-case name."""
    pairs = iter(_fetch_values(parts))
    items: dict[bytes, tokens.Value] = {}
    for key, value in zip(pairs, pairs, strict=False):
        if isinstance(key, bytes):
            items.setdefault(key.upper(), value)  # only the first BODY[] may be a spooled message
    return items


def _fetch_values(parts: list[Part]) -> Sequence[tokens.Value]:
    numbers = _NUMBERS_FETCH.fullmatch(parts[0]) if len(parts) == 1 and isinstance(parts[0], bytes) else None
    if numbers is not None:
        return numbers[1].split()
    values = tokens.parse(parts)
    items = values[3] if len(values) > 3 else None
    if not isinstance(items, list):
        raise ProtocolViolation(f"the server sent a malformed FETCH response: {shown(parts[0])}")
    return items
