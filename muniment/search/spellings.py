"""Other spellings of words in queries: ö typed as oe, å as aa; and international domain names, both ways."""

from __future__ import annotations

import re
from contextlib import suppress

# Not after another vowel or q: neue, quer. Not at the end: due, true, issue.
_TYPED = re.compile(r"(?<![aeiouqy])(?:(ae|oe|ue)(?=[a-zß-ÿ])|aa)")
_PLAIN = {"ae": "ä", "oe": "ö", "ue": "ü", "aa": "å"}
_TYPE = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
_FEWEST = 4
_PUNYCODE = re.compile(r"xn--[a-z0-9-]+", re.IGNORECASE)
_ADDRESS = re.compile(r"[\w.+%@-]*xn--[\w.@-]+", re.IGNORECASE)
_LONGEST_LABEL = 63


def spellings(word: str) -> tuple[str, ...]:
    """Return other spellings of a word or of several: with letters instead of pairs of letters, and the reverse."""
    lower = word.lower()
    if len(lower) < _FEWEST:
        return ()
    other = (_TYPED.sub(lambda pair: _PLAIN[pair[0]], lower), lower.translate(_TYPE))
    return tuple(dict.fromkeys(one for one in other if one != lower))


def decoded(text: str) -> str:
    """Return `text` with the labels of international domain names in letters (RFC 3492), where they are valid."""
    return _PUNYCODE.sub(_label, text)


def international_addresses(text: str) -> list[str]:
    """Return the addresses and hosts in `text` that have labels in Punycode, in letters."""
    if "xn--" not in text and "xn--" not in text.lower():
        return []
    return [decoded(match[0]) for match in _ADDRESS.finditer(text)]


def _label(match: re.Match[str]) -> str:
    with suppress(UnicodeError, ValueError, OverflowError):
        if len(match[0]) <= _LONGEST_LABEL:
            return match[0][4:].encode("ascii").decode("punycode")
    return match[0]
