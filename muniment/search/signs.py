"""Signs that are searched for like words, although they contain no letter, or more than letters: emoji, C++, C#, .NET.

They are indexed besides the words of a text, and do not separate the words of a phrase.
"""

from __future__ import annotations

import re

import regex

# A flag is two regional indicators; skin tones, joiners and variation selectors are no characters of their own.
_PICTURE = regex.compile(r"[\U0001F1E6-\U0001F1FF]{2}|(?![\u00a9\u00ae\u2122])\p{Extended_Pictographic}")
_PERHAPS_PICTURE = re.compile(r"[\u203c-\u32ff\U0001f000-\U0001faff]")
_NAME = re.compile(r"\b[^\W\d_][^\W_]{0,20}+(?:\+\+|#)(?![\w+#])|(?<![\w.])\.net\b", re.IGNORECASE)


def signs(text: str) -> list[tuple[int, int, str]]:
    """Return the start, the end and the indexed form of each sign in a text without format characters, in order."""
    found: list[tuple[int, int, str]] = []
    if "++" in text or "#" in text or ".net" in text.lower():
        found += [(match.start(), match.end(), match[0].lower()) for match in _NAME.finditer(text)]
    if not text.isascii() and _PERHAPS_PICTURE.search(text):
        found += [(match.start(), match.end(), match[0]) for match in _PICTURE.finditer(text)]
        found.sort()
    return found
