"""Words joined by hyphens or apostrophes: `e-mails`, `Müller-Lüdenscheidt`, `O'Brien`, `l'avocat`, `user's`.

They are indexed by their parts, like all words, and as one word besides, so that they have stems and are found when
someone writes them as one word. Elided articles and the English genitive are no part of the word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

#: Longer chains are no words: file names, identifiers.
_PARTS = 4
_CHARACTERS = 40

_JOINED = re.compile(r"\b[A-Za-z][A-Za-z0-9]*+(?:['-][A-Za-z0-9]++)+", re.ASCII)
_JOINED_WIDE = re.compile(r"\b[^\W\d_][^\W_]*+(?:['\u2018\u2019\u2010-][^\W_]++)+")
_JOINT = re.compile(r"['\u2018\u2019\u2010-]")
_APOSTROPHES = frozenset("'\u2018\u2019")
_ELIDED = frozenset(
    "l d j m t s n c v qu jusqu quoiqu lorsqu puisqu quelqu un all dall dell nell sull coll quell quest gl"
    " agl dagl degl negl sugl".split()
)


def compounds(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield the start, the end and the word of each compound in a text in NFKC; nothing for `l'avocat`, `user's`."""
    if _JOINT.search(text) is None:
        return
    for match in (_JOINED if text.isascii() else _JOINED_WIDE).finditer(text):
        word = match[0]
        parts = _parts(word)
        if 1 < len(parts) <= _PARTS and len(word) <= _CHARACTERS:
            yield match.start(), match.end(), "".join(parts)


def core(text: str) -> tuple[str, ...]:
    """Return the parts of the compound that `text` is, punctuation around it aside; empty if it is something else.

    One part remains of `l'avocat` and `user's`.
    """
    bare = text.strip("\"'\u2018\u2019.,;:!?()[]<>{}¿¡…")
    match = (_JOINED if bare.isascii() else _JOINED_WIDE).fullmatch(bare)
    if match is None or len(bare) > _CHARACTERS:
        return ()
    parts = _parts(bare)
    return parts if len(parts) <= _PARTS else ()


def _parts(word: str) -> tuple[str, ...]:
    parts = _JOINT.split(word)
    joints = [mark[0] for mark in _JOINT.finditer(word)]
    if len(parts) > 1 and joints[0] in _APOSTROPHES and parts[0].lower() in _ELIDED:
        del parts[0], joints[0]
    if len(parts) > 1 and joints[-1] in _APOSTROPHES and parts[-1].lower() == "s":
        del parts[-1]
    return tuple(parts)
