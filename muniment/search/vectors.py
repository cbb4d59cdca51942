"""Documents as tsvectors: words with positions and weights, and the fields that weights cannot tell as prefixes.

Weights: A subject, B people, C body, D attachments and their names. A word of `from`, `to`, `cc` and of a file name is
there a second time behind `@f/`, `@t/`, `@c/` and `@n/`; no word begins so. A tsvector counts 16,383 positions, and 255
of one word; documents that have more are long, and phrases in them are found in passages, which overlap.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from muniment.model.document import Document
from muniment.search.parser import MAX_PHRASE
from muniment.search.query import Field
from muniment.search.words import BREAK, read_words

PREFIXES = {Field.FROM: "@f/", Field.TO: "@t/", Field.CC: "@c/", Field.FILENAME: "@n/"}
WEIGHTS = {Field.SUBJECT: "A", Field.BODY: "C", Field.ATTACHMENT: "D"}
PEOPLE = "B"

_POSITIONS = 16_000
_TIMES = 250
#: Positions of a word in one part of a long document; four parts have fewer than 255.
_TIMES_EACH = 60
#: PostgreSQL takes 1 MiB; an entry costs 4 bytes, a position 2.
_BYTES = 900_000


@dataclass(frozen=True)
class Vectors:
    """A document as a tsvector, and a long one's passages; `is_cut`: it had more different words than one takes."""

    document: str
    passages: list[str]
    is_cut: bool

    @property
    def is_long(self) -> bool:
        """Whether phrases have to be looked for in passages."""
        return bool(self.passages)


#: A word, or None between two texts; the other word that stands at its place; its weight.
_Token = tuple[str | None, str, str]
_GAP: _Token = (None, "", "")


def vectors(document: Document) -> Vectors:
    """Return a document's words as tsvectors, in their text form."""
    tokens: list[_Token] = []
    stems: dict[str, set[str]] = {}
    for texts, weight, prefix in _sections(document):
        found = read_words(texts)
        tokens.append(_GAP)
        tokens += [_GAP if word == BREAK else (word, prefix + word if prefix else "", weight) for word in found.words]
        if weight != PEOPLE:
            for stem in found.stems:
                stems.setdefault(stem, set()).add(weight)
    whole, is_cut, is_exact = _whole(tokens, stems)
    return Vectors(whole, [] if is_exact else list(_passages(tokens)), is_cut)


def _sections(document: Document) -> list[tuple[tuple[str, ...], str, str]]:
    return [
        ((document.subject,), WEIGHTS[Field.SUBJECT], ""),
        (document.from_, PEOPLE, PREFIXES[Field.FROM]),
        (document.to, PEOPLE, PREFIXES[Field.TO]),
        (document.cc, PEOPLE, PREFIXES[Field.CC]),
        (document.file_names, WEIGHTS[Field.ATTACHMENT], PREFIXES[Field.FILENAME]),
        (document.body, WEIGHTS[Field.BODY], ""),
        (document.attachments, WEIGHTS[Field.ATTACHMENT], ""),
    ]


def _whole(tokens: list[_Token], stems: dict[str, set[str]]) -> tuple[str, bool, bool]:
    """Return the tsvector of everything, whether words had to be left out, and whether it has every position."""
    places: dict[str, list[str]] = {}
    counts: dict[tuple[str, str], int] = {}
    exact = len(tokens) <= _POSITIONS
    size = 0
    cut = False
    for position, (word, twin, weight) in enumerate(tokens, start=1):
        if word is None:
            continue
        count = counts[word, weight] = counts.get((word, weight), 0) + 1
        if count > _TIMES_EACH:
            exact = False
            continue
        size += 2 if word in places else 8 + len(word.encode())
        if size > _BYTES:
            cut = True
            break
        place = f"{min(position, 16_383)}{weight}"
        places.setdefault(word, []).append(place)
        if twin:
            size += 8 + len(twin.encode())
            places.setdefault(twin, []).append(place)
    for stem, weights in stems.items():
        size += 10 + len(stem.encode())
        if size > _BYTES:
            cut = True
            break
        # A tsvector keeps one weight for a position: each has its own.
        places[stem] = [f"{number}{weight}" for number, weight in enumerate(sorted(weights), start=1)]
    return _text(places), cut, exact


def _passages(tokens: list[_Token]) -> Iterator[str]:
    start = 0
    while start < len(tokens):
        places: dict[str, list[str]] = {}
        position = 0
        for word, twin, weight in tokens[start : start + _POSITIONS]:
            position += 1
            if word is None:
                continue
            place = f"{position}{weight}"
            places.setdefault(word, []).append(place)
            if twin:
                places.setdefault(twin, []).append(place)
            if len(places[word]) == _TIMES:
                break
        yield _text(places)
        start += position
        if start < len(tokens):
            start -= MAX_PHRASE


def _text(places: dict[str, list[str]]) -> str:
    # Words are letters and digits, and stems begin with a tilde: nothing to escape within quotes.
    return " ".join([f"'{word}':{','.join(found)}" for word, found in places.items()])
