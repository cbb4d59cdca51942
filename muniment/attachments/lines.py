"""Mends words that a line end in a PDF divides: both the whole word and its parts are to be found."""

from __future__ import annotations

import re

# PDFium writes U+FFFE or U+0002 for a hyphen at the end of a line; other writers leave a soft hyphen, or the hyphen.
_BREAK = r"(?:[\ufffe\x02\xad][ \t]*+(?:\r?\n)?[ \t]*+|[-\u2010]\r?\n[ \t]*+)"
# Begins at the beginning of a word only, and gives nothing back, so that time stays linear.
_BROKEN = re.compile(rf"(?<!\w)\w++(?:{_BREAK}\w++)++")
_AT_BREAK = re.compile(_BREAK)
_LEFT_OVER = re.compile(r"[\ufffe\x02]")


def mend_words(text: str) -> str:
    """Return the text with broken words joined, and below it the same words with their hyphens, which may be theirs.

    A part that begins with a capital letter or a digit keeps its hyphen in the text, as in `Nord-Süd`.
    """
    others: dict[str, None] = {}

    def mended(found: re.Match[str]) -> str:
        parts = _AT_BREAK.split(found[0])
        joined, hyphenated = "".join(parts), "-".join(parts)
        if all(part[0].islower() or not part[0].isalnum() for part in parts[1:]):
            others[hyphenated] = None
            return joined
        others[joined] = None
        return hyphenated

    whole = _LEFT_OVER.sub("-", _BROKEN.sub(mended, text))
    return "\n".join([whole, *others])
