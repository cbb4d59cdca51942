"""Show where a message matches: a line of its text, with the matching words marked.

The text is read from the stored message and not from the index, so a snippet shows only what the reader may see.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from muniment.search import globs
from muniment.search.query import Field, Pattern, Phrase, Query, Word, words_wanted
from muniment.search.words import STEM, spans

#: Length of a snippet, and how much of a text is searched for matches (characters).
SHOWN = 160
LOOKED_AT = 200_000

#: Words after which the time is looked at.
_BETWEEN_LOOKS = 1000

_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True)
class Snippet:
    """A piece of a text; `pieces`: its parts in order, each with whether it matches."""

    pieces: tuple[tuple[str, bool], ...]

    @property
    def text(self) -> str:
        """The whole piece."""
        return "".join(text for text, _ in self.pieces)


#: Whether a word was searched for, given its forms in the index.
_Test = Callable[[frozenset[str]], bool]


def snippet(query: Query, texts: Sequence[tuple[Field, str]], until: float = math.inf) -> Snippet | None:
    """Return the piece of one of the texts that matches most parts of the query; None if nothing matches.

    What was not looked at before `until` (`time.monotonic()`) counts as no match.
    """
    best: tuple[int, str, list[tuple[int, int]]] | None = None
    for field, text in texts:
        shown = _BLANKS.sub(" ", text[:LOOKED_AT])
        tests = [_test(leaf) for leaf in words_wanted(query) if leaf.field in {None, field}]
        found = _matches(shown, tests, until)
        if not found:
            continue
        count, first, last = _densest(found)
        if best is None or count > best[0]:
            best = count, shown, [(start, end) for start, end, _ in found[first:last]]
    return None if best is None else _cut(best[1], best[2])


def _test(leaf: Word | Phrase | Pattern) -> _Test:
    match leaf:
        case Word(_, wanted):
            forms = frozenset((wanted.word, *wanted.others))
        case Phrase(_, words, is_open):
            forms = frozenset(words)
            if is_open:
                return lambda word: not forms.isdisjoint(word) or any(form.startswith(words[-1]) for form in word)
        case Pattern(_, pattern):
            fits = globs.matcher(pattern)
            return lambda word: any(fits(form) for form in word if not form.startswith(STEM))
    return lambda word: not forms.isdisjoint(word)


def _matches(text: str, tests: Sequence[_Test], until: float) -> list[tuple[int, int, int]]:
    """Return the start and end of each match, and the number of the test it passed."""
    found: list[tuple[int, int, int]] = []
    for place, (start, end, forms) in enumerate(spans(text) if tests else ()):
        if place % _BETWEEN_LOOKS == 0 and time.monotonic() >= until:
            break
        number = next((number for number, test in enumerate(tests) if test(forms)), -1)
        if number >= 0:
            found.append((start, end, number))
    return found


def _densest(found: Sequence[tuple[int, int, int]]) -> tuple[int, int, int]:
    """Return how many different tests the best window passes, and its range of matches (from, to)."""
    best = (0, 0, 0)
    first = 0
    for last in range(1, len(found) + 1):
        while found[last - 1][1] - found[first][0] > SHOWN and first < last - 1:
            first += 1
        count = len({number for _, _, number in found[first:last]})
        if count > best[0]:
            best = (count, first, last)
    count, first, last = best
    while last < len(found) and found[last][1] - found[first][0] <= SHOWN:
        last += 1
    return count, first, last


def _cut(text: str, matches: Sequence[tuple[int, int]]) -> Snippet:
    room = max(0, SHOWN - (matches[-1][1] - matches[0][0])) // 2
    begin = text.rfind(" ", 0, max(0, matches[0][0] - room) + 1) + 1 if matches[0][0] > room else 0
    end = min(len(text), matches[-1][1] + room)
    pieces: list[tuple[str, bool]] = [("… ", False)] if begin else []
    position = begin
    for start, stop in matches:
        if start > position:
            pieces.append((text[position:start], False))
        pieces.append((text[max(start, position) : stop], True))
        position = max(position, stop)
    pieces.append((text[position:end], False))
    if end < len(text):
        pieces.append((" …", False))
    return Snippet(tuple(piece for piece in pieces if piece[0]))
