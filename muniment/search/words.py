"""Splits text into the words to index, and queries into the words to search for.

This is done here and not by the search engines, so that both indexes contain the same words and a query means the same
on both. docs/reference/query-language.md has the rules: case and accents are folded, words of European languages are
also indexed by their stems (Snowball), and scripts without blanks between words are split into pairs of characters, as
Lucene's CJK analyzer does.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import regex
import Stemmer

from muniment.search.languages import LATIN, RUSSIAN, STOP_WORDS

#: The prefix of stems, so that no word is mistaken for a stem.
STEM = "~"

#: Separates texts, so that no phrase matches across two of them.
BREAK = "|"

#: Longer words (keys, base64) are cut to this length.
WORD_CHARACTERS = 64

_STEMMED_CHARACTERS = range(3, 41)
_CACHED = 200_000
#: This many frequent words of a language identify it.
_TELLING = 3

_ASCII_WORD = re.compile(r"[A-Za-z0-9]+")
_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{N}\p{M}]*+")
_DIGIT = re.compile(r"\d")
_CYRILLIC = re.compile(r"[\u0400-\u052f]")
_PAIRED_SCRIPTS = (
    r"\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3100-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"  # Chinese, Japanese, Korean
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
)
_PAIRED = re.compile(f"[{_PAIRED_SCRIPTS}]")
_RUNS = re.compile(f"[{_PAIRED_SCRIPTS}]+|[^{_PAIRED_SCRIPTS}]+")
# Latin, Greek and Cyrillic diacritics, Hebrew points, Arabic vowel marks; other marks distinguish letters.
_MARKS = re.compile(r"[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670]")
_LETTERS = str.maketrans(
    {"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ı": "i", "ŧ": "t", "æ": "ae", "œ": "oe", "þ": "th", "ĸ": "k"}
)

_PORTUGUESE_PLURALS = ("ões", "ães", "ãos")

_stemmers = [Stemmer.Stemmer(language, 0) for language in LATIN]
_russian = Stemmer.Stemmer(RUSSIAN, 0)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text in order, and their stems, each once."""

    words: list[str]
    stems: list[str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A word to search for: `word` itself, or any of `stems`, which match its other forms."""

    word: str
    stems: tuple[str, ...] = ()


class _Known:
    """What is known about a word as written.

    `words`: its indexed form. `plain`: the form that is stemmed; empty if the word has no stem. `common`: the languages
    (bits) in which it is frequent, and for which it is therefore evidence.
    """

    __slots__ = ("_stems", "common", "is_cyrillic", "plain", "words")

    def __init__(self, words: tuple[str, ...], plain: str = "", common: int = 0) -> None:
        self.words = words
        self.plain = plain
        self.common = common
        self.is_cyrillic = bool(plain) and not plain.isascii() and _CYRILLIC.search(plain) is not None
        self._stems: list[str | None] = [None] * len(LATIN) if plain else []

    def stem(self, language: int) -> str:
        """Return the stem in a language; Cyrillic words are stemmed as Russian. The word must have a stem."""
        stem = self._stems[language]
        if stem is None:
            stemmer = _russian if self.is_cyrillic else _stemmers[language]
            stem = self._stems[language] = STEM + fold(stemmer.stemWord(self.plain))
        return stem


_known: dict[str, _Known] = {}


def read_words(texts: Iterable[str]) -> Words:
    """Return the words of texts that belong together, as they are indexed."""
    words: list[str] = []
    found: list[_Known] = []
    for number, text in enumerate(texts):
        if number:
            words.append(BREAK)
        known = [_known.get(written) or _look_up(written) for written in _split(text)]
        words += [word for one in known for word in one.words]
        found += known
    return Words(words, _stems(found))


def wanted_words(text: str) -> list[Wanted]:
    """Return the adjacent words to search for when a query contains `text`; empty if it contains no word."""
    wanted: list[Wanted] = []
    pieces = _split(text)
    for number, written in enumerate(pieces):
        known = _known.get(written) or _look_up(written)
        words = known.words
        if number == len(pieces) - 1 and _ends_in_pair(written):
            words = words[:-1]  # without the last character alone: the indexed text may continue there
        stems = _every_stem(known) if len(words) == 1 else ()
        wanted += [Wanted(word, stems) for word in words]
    return wanted


def is_character(wanted: Wanted) -> bool:
    """Whether the word is one character of a script without blanks; pairs may begin with it, too."""
    return len(wanted.word) == 1 and _PAIRED.match(wanted.word) is not None


def is_paired(text: str) -> bool:
    """Whether `text` has characters of a script without blanks between words, which are indexed in pairs."""
    return _PAIRED.search(text) is not None


def fold(text: str) -> str:
    """Return `text` with case, accents and typographic variants folded."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", _MARKS.sub("", plain).translate(_LETTERS).casefold())


def spans(text: str) -> Iterator[tuple[int, int, frozenset[str]]]:
    """Yield the start, end and indexed forms of each word of `text`, for marking matches."""
    for match in _WORD.finditer(text):
        known = _known.get(match[0]) or _look_up(unicodedata.normalize("NFKC", match[0]))
        if not _PAIRED.search(match[0]):
            yield match.start(), match.end(), frozenset((*known.words, *_every_stem(known)))
            continue
        start = match.start()
        for run in _RUNS.findall(match[0]):
            if _PAIRED.match(run):
                for offset in range(len(run)):
                    yield start + offset, start + min(offset + 2, len(run)), frozenset({fold(run[offset : offset + 2])})
            else:
                yield start, start + len(run), frozenset({fold(run)})
            start += len(run)


def _split(text: str) -> list[str]:
    if text.isascii():
        return _ASCII_WORD.findall(text)
    return _WORD.findall(unicodedata.normalize("NFKC", text))


def _look_up(written: str) -> _Known:
    if len(_known) >= _CACHED:
        _known.clear()
    known = _known[written] = _learn(written)
    return known


def _learn(written: str) -> _Known:
    folded = fold(written)
    if not written.isascii() and _PAIRED.search(written):
        return _Known(tuple(word for run in _RUNS.findall(folded) for word in _paired(run)))
    words = (folded[:WORD_CHARACTERS],)
    if len(written) not in _STEMMED_CHARACTERS or _DIGIT.search(written):
        return _Known(words, "", STOP_WORDS.get(folded, 0))
    return _Known(words, _singular(written.casefold()), STOP_WORDS.get(folded, 0))


def _singular(word: str) -> str:
    """Undo a Portuguese plural that Snowball's stemmer ignores: reuniões, pães, irmãos."""
    return word[:-3] + "ão" if word.endswith(_PORTUGUESE_PLURALS) else word


def _paired(run: str) -> list[str]:
    """Split a run of a script without blanks into overlapping pairs, plus the last character alone."""
    if not _PAIRED.match(run):
        return [run[:WORD_CHARACTERS]]
    return [run[position : position + 2] for position in range(len(run))]


def _ends_in_pair(written: str) -> bool:
    run = _RUNS.findall(written)[-1]
    return len(run) > 1 and _PAIRED.match(run) is not None


def _every_stem(known: _Known) -> tuple[str, ...]:
    """Return the stems of a word in all languages."""
    return tuple(dict.fromkeys(known.stem(number) for number in range(len(LATIN)))) if known.plain else ()


def _stems(found: Sequence[_Known]) -> list[str]:
    """Return the stems in the likely languages of the text, or in all languages if there is too little evidence."""
    votes = [0] * len(LATIN)
    for common, count in Counter([one.common for one in found]).items():
        for number in range(len(votes)):
            if common >> number & 1:
                votes[number] += count
    most = max(votes)
    chosen = [number for number, count in enumerate(votes) if count * 2 >= most or most < _TELLING]
    stems: dict[str, None] = {}
    for known in dict.fromkeys(found):
        if known.is_cyrillic:
            stems[known.stem(0)] = None
        elif known.plain:
            for number in chosen:
                stems[known.stem(number)] = None
    return list(stems)
