"""Documents as tsvectors: words with positions and weights; fields that weights cannot distinguish have prefixes.

Weights: A subject, B people, C body, D attachments and their names. Words in people's fields and file names have a twin
with a prefix such as `@f/`, with which no word can begin; what only its field finds has only twins. A tsvector has at
most 16,383 positions, and 255 for one word. Documents with more are long: phrases in them are found in overlapping
passages.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, repeat

from muniment.model.document import Document
from muniment.search.delivered import delivered_words
from muniment.search.parser import MAX_PHRASE
from muniment.search.query import Field
from muniment.search.words import BREAK, Words, read_words

PREFIXES = {
    Field.FROM: "@f/",
    Field.TO: "@t/",
    Field.CC: "@c/",
    Field.FILENAME: "@n/",
    Field.REPLY_TO: "@r/",
    Field.SENT_BY: "@s/",
    Field.LIST: "@l/",
    Field.LINK: "@h/",
    Field.DELIVERED: "@d/",
}
WEIGHTS = {Field.SUBJECT: "A", Field.BODY: "C", Field.ATTACHMENT: "D"}
PEOPLE = "B"

_POSITIONS = 16_000
_TIMES = 250
#: A tsvector is limited to 1 MiB; each entry costs 4 bytes, each position 2.
_BYTES = 900_000
#: A document with at most this many entries always fits.
_FEW = 2000


@dataclass(frozen=True)
class Vectors:
    """A document as a tsvector, with passages if it is long; `is_cut`: some words did not fit and are left out."""

    document: str
    passages: list[str]
    is_cut: bool

    @property
    def is_long(self) -> bool:
        """Whether phrases must be searched for in passages."""
        return bool(self.passages)


_PLACES = {weight: [f"{number}{weight}" for number in range(1, _POSITIONS + 2)] for weight in "ABCD"}


_STEM_PLACES = {weight: [f"1{weight}"] for weight in "ABCD"}


@dataclass(frozen=True)
class _Section:
    """The words of one part of a document, with their weight and the prefix of their twins, if any.

    `is_hidden`: there are only twins.
    """

    words: Words
    weight: str
    prefix: str = ""
    is_hidden: bool = False


def vectors(document: Document) -> Vectors:
    """Return a document's words as tsvectors in text form."""
    sections = [
        _Section(read_words((document.subject,)), WEIGHTS[Field.SUBJECT]),
        _Section(read_words(document.from_), PEOPLE, PREFIXES[Field.FROM]),
        _Section(read_words(document.to), PEOPLE, PREFIXES[Field.TO]),
        _Section(read_words(document.cc), PEOPLE, PREFIXES[Field.CC]),
        _Section(read_words(document.reply_to), PEOPLE, PREFIXES[Field.REPLY_TO]),
        _Section(read_words(document.sent_by), PEOPLE, PREFIXES[Field.SENT_BY], document.sent_by == document.from_),
        _Section(read_words(document.lists), PEOPLE, PREFIXES[Field.LIST]),
        _Section(delivered_words(document.delivered), PEOPLE, PREFIXES[Field.DELIVERED], is_hidden=True),
        _Section(read_words(document.file_names), WEIGHTS[Field.ATTACHMENT], PREFIXES[Field.FILENAME]),
        _Section(read_words(document.body), WEIGHTS[Field.BODY]),
        _Section(read_words(document.attachments), WEIGHTS[Field.ATTACHMENT]),
        _Section(read_words(document.links), WEIGHTS[Field.ATTACHMENT], PREFIXES[Field.LINK], is_hidden=True),
    ]
    whole = _Whole()
    for section in sections:
        whole.add(section)
    whole.add_stems(sections)
    if len(whole.places) > _FEW:
        whole.cut()
    passages = [] if whole.is_exact else list(_passages(sections))
    return Vectors(_text(whole.places), passages, whole.is_cut)


class _Whole:
    """The tsvector of the whole document; `is_exact`: it has every position; `is_cut`: words had to be left out."""

    def __init__(self) -> None:
        self.places: dict[str, list[str]] = {}
        self.is_exact = True
        self.is_cut = False
        self._position = 0

    def add(self, section: _Section) -> None:
        places, words = self.places, section.words.words
        for word, place in zip(
            () if section.is_hidden else words, _places(section.weight, self._position), strict=False
        ):
            found = places.get(word)
            if found is None:
                places[word] = [place]
            elif len(found) < _TIMES:
                found.append(place)
            else:
                self.is_exact = False
                if not any(other.endswith(section.weight) for other in found):
                    found.append(place)  # each part that contains the word must be recorded
        places.pop(BREAK, None)
        if section.prefix:
            for word, place in zip(words, _places(section.weight, self._position), strict=False):
                if word != BREAK:
                    twins = places.setdefault(section.prefix + word, [])
                    twins += [place] if len(twins) < _TIMES else []
                    self.is_exact &= len(twins) < _TIMES
        self._position += len(words) + 1  # no phrase extends into the next part
        self.is_exact &= self._position < _POSITIONS

    def add_stems(self, sections: Sequence[_Section]) -> None:
        """Add the stems of every part; a position has only one weight, so each weight gets its own position."""
        weights: dict[str, str] = {}
        for section in sections:
            if section.weight != PEOPLE and not section.is_hidden:
                for stem in section.words.stems:
                    weights[stem] = weights.get(stem, "") + section.weight
        for stem, found in weights.items():
            self.places[stem] = _STEM_PLACES.get(found) or [
                _PLACES[weight][number] for number, weight in enumerate(dict.fromkeys(found))
            ]

    def cut(self) -> None:
        """Leave out the last words if PostgreSQL would not accept all of them."""
        room = _BYTES
        for number, (word, found) in enumerate(self.places.items()):
            room -= 8 + len(word.encode()) + 2 * len(found)
            if room < 0:
                self.is_cut = True
                self.places = dict(islice(self.places.items(), number))
                return


def _places(weight: str, position: int) -> Iterator[str]:
    """Yield the places from a position on, then repeat the last one indefinitely."""
    row = _PLACES[weight]
    return chain(islice(row, position, None), repeat(row[-1]))


def _passages(sections: Sequence[_Section]) -> Iterator[str]:
    """Yield passages as tsvectors in text form, with weights and twins; passages overlap by `MAX_PHRASE` words."""
    tokens: list[tuple[str, _Section]] = []
    for section in sections:
        tokens += [(word, section) for word in (*section.words.words, BREAK)]
    start = 0
    while start < len(tokens):
        places: dict[str, list[str]] = {}
        position = 0
        for position, (word, section) in enumerate(tokens[start : start + _POSITIONS], start=1):
            if word == BREAK:
                continue
            place = _PLACES[section.weight][position - 1]
            forms = [section.prefix + word] if section.prefix else []
            for form in forms if section.is_hidden else [word, *forms]:
                places.setdefault(form, []).append(place)
            if len(places[forms[0] if section.is_hidden else word]) == _TIMES:
                break
        yield _text(places)
        start += position
        if start < len(tokens):
            start -= MAX_PHRASE


def _text(places: dict[str, list[str]]) -> str:
    # Words consist of letters and digits, and stems begin with a tilde: nothing needs escaping within quotes.
    return " ".join([f"'{word}':{','.join(found)}" for word, found in places.items()])
