"""Splits text into the words to index, and queries into the words to search for.

This is done here and not by the search engines, so that both indexes contain the same words and a query means the same
on both. docs/reference/query-language.md has the rules: case and accents are folded, words of European languages are
also indexed by their stems (Snowball), and scripts without blanks between words are split into pairs of characters, as
Lucene's CJK analyzer does. Where such a script follows letters or digits, its first character is indexed alone as well.

What a reader cannot see (soft hyphens, joiners, marks of direction) is no part of a word. Besides its words in order, a
text has additional ones: compounds written as one word, the parts of words that a joiner separates, signs such as
emoji, and international domain names in letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import regex
import Stemmer

from muniment.search.compounds import compounds
from muniment.search.languages import LATIN, RUSSIAN, STOP_WORDS
from muniment.search.signs import signs
from muniment.search.spellings import international_addresses, spellings

#: The prefix of stems, so that no word is mistaken for a stem.
STEM = "~"

#: Separates texts, so that no phrase matches across two of them.
BREAK = "|"

#: The zero-width non-joiner: some write a blank instead, and some nothing.
JOINT = "\u200c"

#: Longer words (keys, base64) are cut to this length.
WORD_CHARACTERS = 64

_STEMMED_CHARACTERS = range(3, 41)
_CACHED = 200_000
#: This many frequent words of a language identify it.
_TELLING = 3

_ASCII_WORD = re.compile(r"[A-Za-z0-9]+")
_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{N}\p{M}]*+")
_DIGIT = re.compile(r"\d")
_FOREIGN_DIGIT = regex.compile(r"[^\P{Nd}0-9]")
# Default_Ignorable_Code_Point and the category Cf, as of Unicode 16.
_INVISIBLE = (
    r"\u00ad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    r"\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_FORMAT = re.compile(rf"\u00ad[ \t]*\r?\n[ \t]*|[{_INVISIBLE}]+")
_FORMAT_BUT_PARTING = re.compile(rf"[\u200b\u200c]++(?:[{_INVISIBLE}]++)?|[{_INVISIBLE}]+")
_PARTED = regex.compile(r"(?<![\p{L}\p{N}\p{M}])[\p{L}\p{N}\p{M}]++(?:\u200c[\p{L}\p{N}\p{M}]++)+")
_SHOWN = regex.compile(rf"[\p{{L}}\p{{N}}](?:[\p{{L}}\p{{N}}\p{{M}}]|[{_INVISIBLE}]++(?=[\p{{L}}\p{{N}}]))*+")
_APOSTROPHE_LETTERS = str.maketrans("\u02bc\u02bb", "\u2019\u2019")
_CYRILLIC = re.compile(r"[\u0400-\u052f]")
_PAIRED_SCRIPTS = (
    r"\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3100-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"  # Chinese, Japanese, Korean
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
)
_PAIRED = re.compile(f"[{_PAIRED_SCRIPTS}]")
_RUNS = re.compile(f"[{_PAIRED_SCRIPTS}]+|[^{_PAIRED_SCRIPTS}]+")
# Latin, Greek and Cyrillic diacritics, Hebrew points, Arabic vowel marks; other marks distinguish letters.
_MARKS = re.compile(
    r"[\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    r"\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed]"
)
_LETTERS = str.maketrans(
    {"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ħ": "h", "ı": "i", "ŧ": "t", "æ": "ae", "œ": "oe", "þ": "th", "ĸ": "k"}
    # Arabic and Persian: alef, yeh, kaf and heh in all their forms; the tatweel only stretches a word.
    | {
        "\u0671": "\u0627",
        "\u0649": "\u064a",
        "\u06cc": "\u064a",
        "\u06a9": "\u0643",
        "\u06aa": "\u0643",
        "\u0640": None,
    }
    | dict.fromkeys("\u0629\u06be\u06c1\u06c3\u06d5", "\u0647")
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
    """A word to search for: `word` itself, or any of `others`: other spellings, and stems, which match other forms."""

    word: str
    others: tuple[str, ...] = ()

    @property
    def as_written(self) -> Wanted:
        """The same without stems, for fields that are not indexed by them."""
        return Wanted(self.word, tuple(other for other in self.others if not other.startswith(STEM)))


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
    """Return the words of texts that belong together, as they are indexed; additional ones follow each text."""
    words: list[str] = []
    found: list[_Known] = []
    for number, text in enumerate(texts):
        if number:
            words.append(BREAK)
        plain = _plain(text)
        known = [_known.get(written) or _look_up(written) for written in _split(plain)]
        words += [word for one in known for word in one.words]
        found += known
        for extra in _additional(text, plain):
            known = [_known.get(written) or _look_up(written) for written in _split(extra)]
            words += [BREAK, *(word for one in known for word in one.words)]
            found += known
        for sign in dict.fromkeys(sign for _, _, sign in signs(plain)):
            words += [BREAK, sign]
    return Words(words, _stems(found))


def wanted_words(text: str) -> list[Wanted]:
    """Return the adjacent words to search for when a query contains `text`; empty if it contains no word."""
    wanted: list[Wanted] = []
    pieces = _split(_plain(text))
    for number, written in enumerate(pieces):
        known = _known.get(written) or _look_up(written)
        words = known.words
        if number == len(pieces) - 1 and _ends_in_pair(known):
            words = words[:-1]  # without the last character alone: the indexed text may continue there
        others = _others(written, known) if len(words) == 1 else ()
        wanted += [Wanted(word, others) for word in words]
    return wanted


def wanted_signs(text: str) -> list[Wanted]:
    """Return the signs to search for when a query contains `text`: emoji, C++."""
    return [Wanted(sign) for sign in dict.fromkeys(sign for _, _, sign in signs(_plain(text)))]


def is_character(wanted: Wanted) -> bool:
    """Whether the word is one character of a script without blanks; pairs may begin with it, too."""
    return len(wanted.word) == 1 and _PAIRED.match(wanted.word) is not None


def is_paired(text: str) -> bool:
    """Whether `text` has characters of a script without blanks between words, which are indexed in pairs."""
    return _PAIRED.search(text) is not None


def fold(text: str) -> str:
    """Return `text` with case, accents, typographic variants and digits of other scripts folded."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.casefold())
    folded = unicodedata.normalize("NFC", _MARKS.sub("", plain).translate(_LETTERS).casefold())
    return _FOREIGN_DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0], digit[0])), folded)


def visible(text: str) -> str:
    """Return `text` without the characters that nobody sees, except the joint within Persian words (`JOINT`)."""
    return text if text.isascii() else JOINT.join(_FORMAT.sub("", part) for part in text.split(JOINT))


def spans(text: str) -> list[tuple[int, int, frozenset[str]]]:
    """Return the start, end and indexed forms of each word of `text`, in order, for marking matches."""
    found: list[tuple[int, int, frozenset[str]]] = []
    for match in _SHOWN.finditer(text):
        written = _plain(match[0])
        known = _known.get(written) or _look_up(written)
        if _PAIRED.search(match[0]):
            found += _paired_spans(match[0], match.start())
        else:
            found.append((match.start(), match.end(), frozenset((*known.words, *_every_stem(known)))))
    for start, end, joined in compounds(text):
        known = _known.get(joined) or _look_up(joined)
        found.append((start, end, frozenset((*known.words, *_every_stem(known)))))
    found += [(start, end, frozenset({sign})) for start, end, sign in signs(text)]
    return sorted(found, key=lambda span: span[:2])


def _paired_spans(written: str, start: int) -> Iterator[tuple[int, int, frozenset[str]]]:
    kept = [offset for offset, character in enumerate(written) if not _FORMAT.match(character)]
    at = 0
    for number, run in enumerate(_RUNS.findall("".join(written[offset] for offset in kept))):
        places = [start + offset for offset in kept[at : at + len(run)]]
        at += len(run)
        if not _PAIRED.match(run):
            yield places[0], places[-1] + 1, frozenset({fold(run)})
            continue
        if number:
            yield places[0], places[0] + 1, frozenset({fold(run[0])})
        for offset, place in enumerate(places):
            last = places[min(offset + 1, len(places) - 1)]
            yield place, last + 1, frozenset({fold(run[offset : offset + 2])})


def _plain(text: str) -> str:
    """Return a text as it is read: without format characters, in NFKC, with the usual apostrophe."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", _FORMAT.sub("", text)).translate(_APOSTROPHE_LETTERS)


def _split(plain: str) -> list[str]:
    return _ASCII_WORD.findall(plain) if plain.isascii() else _WORD.findall(plain)


def _additional(text: str, plain: str) -> dict[str, None]:
    """Return the texts to index besides a text and apart from it, each once."""
    found = dict.fromkeys(joined for _, _, joined in compounds(plain))
    found.update(dict.fromkeys(international_addresses(plain)))
    if "\u200b" in text or "\u200c" in text:
        marked = _FORMAT_BUT_PARTING.sub(lambda run: "\u200c" if run[0][0] in "\u200b\u200c" else "", text)
        parted = (match[0].replace("\u200c", " ") for match in _PARTED.finditer(marked))
        found.update(dict.fromkeys(parts for parts in parted if not _PAIRED.search(parts)))
    return found


def _look_up(written: str) -> _Known:
    if len(_known) >= _CACHED:
        _known.clear()
    known = _known[written] = _learn(written)
    return known


def _learn(written: str) -> _Known:
    folded = fold(written)
    if not folded.isascii() and _PAIRED.search(folded):
        runs = _RUNS.findall(folded)
        return _Known(tuple(word for number, run in enumerate(runs) for word in _paired(run, is_first=not number)))
    if not folded:
        return _Known(())
    words = (folded[:WORD_CHARACTERS],)
    if len(written) not in _STEMMED_CHARACTERS or _DIGIT.search(written):
        return _Known(words, "", STOP_WORDS.get(folded, 0))
    return _Known(words, _singular(written.casefold()), STOP_WORDS.get(folded, 0))


def _singular(word: str) -> str:
    """Undo a Portuguese plural that Snowball's stemmer ignores: reuniões, pães, irmãos."""
    return word[:-3] + "ão" if word.endswith(_PORTUGUESE_PLURALS) else word


def _paired(run: str, *, is_first: bool) -> list[str]:
    """Split a run of a script without blanks into overlapping pairs, plus the last character alone.

    Plus the first one alone if letters or digits precede it: `2024年` must be found in `2024年度`.
    """
    if not _PAIRED.match(run):
        return [run[:WORD_CHARACTERS]]
    pairs = [run[position : position + 2] for position in range(len(run))]
    return pairs if is_first or len(run) == 1 else [run[0], *pairs]


def _ends_in_pair(known: _Known) -> bool:
    """Whether the words of a text end in a pair, and then in the second character of that pair alone."""
    words = known.words
    return len(words) > 1 and _is_pair(words[-2]) and words[-1] == words[-2][1]


def _is_pair(word: str) -> bool:
    return len(word) == 2 and is_paired(word[0]) and is_paired(word[1])


def _others(written: str, known: _Known) -> tuple[str, ...]:
    """Return the other spellings of a word, and the stems of all of them in all languages."""
    spelled = [_known.get(other) or _look_up(other) for other in spellings(written)]
    words = [word for one in spelled for word in one.words]
    return tuple(dict.fromkeys((*words, *(stem for one in (known, *spelled) for stem in _every_stem(one)))))


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
