"""Text to the words that the index holds, and what people type to the words that are looked for.

Done here and not by the search engines: both indexes get the same words, so that a query means the same on both. The
rules are those of docs/reference/query-language.md: case and accents are folded, words of European languages are known
by their stems, too (Snowball), and scripts without blanks between words are cut into pairs of characters, as Lucene's
CJK analyzer does.
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

#: Stands before a stem, so that no word is taken for one.
STEM = "~"

#: Stands between texts, so that no phrase goes across.
BREAK = "|"

#: Of longer words (keys, base64) the beginning counts.
WORD_CHARACTERS = 64

_STEMMED_CHARACTERS = range(3, 41)
_CACHED = 200_000
#: So many frequent words tell a language.
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
# Diacritics of Latin, Greek and Cyrillic letters, points of Hebrew, vowels of Arabic; other marks make other letters.
_MARKS = re.compile(r"[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u065f\u0670]")
_LETTERS = str.maketrans(
    {"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ı": "i", "ŧ": "t", "æ": "ae", "œ": "oe", "þ": "th", "ĸ": "k"}
)

_PORTUGUESE_PLURALS = ("ões", "ães", "ãos")

_stemmers = [Stemmer.Stemmer(language, 0) for language in LATIN]
_russian = Stemmer.Stemmer(RUSSIAN, 0)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a text in their order, and stems of them, each once."""

    words: list[str]
    stems: list[str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A word that is looked for: `word` itself, or one of `stems`, which words of other forms have, too."""

    word: str
    stems: tuple[str, ...] = ()


class _Known:
    """What there is to know of a word as written.

    `words`: what it is indexed as. `plain`: what its stem is made from, empty when it has none. `common`: the languages
    (bits) in which it is so frequent that it tells them.
    """

    __slots__ = ("_stems", "common", "is_cyrillic", "plain", "words")

    def __init__(self, words: tuple[str, ...], plain: str = "", common: int = 0) -> None:
        self.words = words
        self.plain = plain
        self.common = common
        self.is_cyrillic = bool(plain) and not plain.isascii() and _CYRILLIC.search(plain) is not None
        self._stems: list[str | None] = [None] * len(LATIN) if plain else []

    def stem(self, language: int) -> str:
        """Return the stem in a language; only words that have a stem may be asked. Cyrillic letters are Russian."""
        stem = self._stems[language]
        if stem is None:
            stemmer = _russian if self.is_cyrillic else _stemmers[language]
            stem = self._stems[language] = STEM + fold(stemmer.stemWord(self.plain))
        return stem


_known: dict[str, _Known] = {}


def read_words(texts: Iterable[str]) -> Words:
    """Return the words of texts, which belong together, as they are indexed."""
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
    """Return the words to look for, side by side, when `text` is looked for; none when it holds no word."""
    wanted: list[Wanted] = []
    pieces = _split(text)
    for number, written in enumerate(pieces):
        known = _known.get(written) or _look_up(written)
        words = known.words
        if number == len(pieces) - 1 and _ends_in_pair(written):
            words = words[:-1]  # not the last character alone: there the text may go on
        stems = _every_stem(known) if len(words) == 1 else ()
        wanted += [Wanted(word, stems) for word in words]
    return wanted


def is_character(wanted: Wanted) -> bool:
    """Whether one character of a script without blanks is looked for; it begins pairs, too."""
    return len(wanted.word) == 1 and _PAIRED.match(wanted.word) is not None


def is_paired(text: str) -> bool:
    """Whether `text` has characters of a script without blanks between words, which is indexed in pairs."""
    return _PAIRED.search(text) is not None


def fold(text: str) -> str:
    """Return `text` without case, accents and typographic variants."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize("NFC", _MARKS.sub("", plain).translate(_LETTERS).casefold())


def spans(text: str) -> Iterator[tuple[int, int, frozenset[str]]]:
    """Yield where each word of `text` begins and ends, and all that it is indexed as; to mark matches in it."""
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
    """Undo a Portuguese plural that Snowball's stemmer leaves alone: reuniões, pães, irmãos."""
    return word[:-3] + "ão" if word.endswith(_PORTUGUESE_PLURALS) else word


def _paired(run: str) -> list[str]:
    """Cut a run of a script without blanks into pairs that overlap, and the last character alone."""
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
    """Return the stems by the text's language, or two of them; by all where it does not tell."""
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
