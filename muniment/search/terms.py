"""What a term of a query searches for: words, phrases, patterns, and what people paste: addresses, URLs, paths."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from muniment.errors import BadTerm
from muniment.search import globs
from muniment.search.compounds import core
from muniment.search.query import STEMMED, All, Any, Field, MessageId, Pattern, Phrase, Query, Word
from muniment.search.spellings import decoded, spellings
from muniment.search.words import JOINT, Wanted, fold, is_character, is_paired, wanted_signs, wanted_words

#: Maximum number of words in a phrase. An index may split long texts into passages that overlap by this many words.
MAX_PHRASE = 100

ALWAYS = All(())

_WILD = re.compile(r"[*?]")
_WILD_WORD = re.compile(r"(?<![^\W_])[^\W_]*+[*?](?:[^\W_]|[*?])*+")
_BETWEEN = re.compile(r"[^\W_][*?]+[^\W_]")
_ASKED = re.compile(rf"\?{{1,{globs.MAX_WILDCARDS}}}")
_ENDINGS = "?!.,;:)]>»”“\"'"
_OPEN_WORD = re.compile(r"[^\W_]\*+(?=[^\w*?]*$)")
_FUZZY = re.compile(r"(?<=[^\W\d_])(?:~\d?|\^\d{1,2}(?:\.\d+)?)$")
_EXPRESSION = re.compile(r"/((?:[^\W_]|\.[*+]?)+)/")
_NO_PATH = re.compile(r"/.*[\[^$\\].*/")
_IDENTIFIER = re.compile(r"<?([^\s<>@]+@[^\s<>@,;]+?)>?")
_RUN = re.compile(r"[^*?]+\*?")
_ADDRESSED = re.compile(r"://|\?[\w.\[\]%-]+=")
_SCHEME = re.compile(r"<?(?:mailto|tel|sip|sips|callto):(?=.)", re.IGNORECASE)
#: A shorter beginning of a word makes no pattern of a question mark at its end: `is it a?`
_FEWEST = 3
#: Fewer letters would make a pattern that begins with a wildcard find nearly everything.
_FEWEST_INNER = 2
#: Maximum number of words with wildcards in one term.
_MOST_PATTERNS = 20


def joined(kind: type[All | Any], parts: Iterable[Query]) -> Query:
    """Join parts, each once, leaving out those that search for nothing."""
    kept = tuple(dict.fromkeys(part for part in parts if part != ALWAYS))
    if not kept:
        return ALWAYS
    return kept[0] if len(kept) == 1 else kind(kept)


def quoted(field: Field | None, text: str) -> Query:
    """Return the query for a text in quotes: its words next to each other; the last may end in `*`."""
    is_open = _OPEN_WORD.search(text) is not None
    return joined(All, [_phrase(field, text, is_open=is_open), *_signs(field, text)])


def plain(field: Field | None, text: str) -> Query:
    """Return the query for a term as it is typed or pasted; one without words, such as `&`, is always true."""
    text = decoded(_SCHEME.sub("", text))
    if match := _EXPRESSION.fullmatch(text):
        if "*" in text or "+" in text:
            text = match[1].replace(".*", "*").replace(".+", "?*").replace(".", "?")
    elif _NO_PATH.fullmatch(text):
        raise BadTerm("regular expressions are not supported", hint="Use * and ?, as in invoi* or wom?n.")
    if fuzzy := _FUZZY.search(text):
        return joined(Any, [plain(field, text[: fuzzy.start()]), _literal(field, text)])
    asked = text.rstrip(_ENDINGS)
    if "?" not in text[len(asked) :]:
        asked = text
    if not _WILD.search(asked):
        return joined(Any, [_literal(field, asked), *_more(field, asked, text)])
    asked = asked.replace(JOINT, "")
    if _ADDRESSED.search(asked):  # a URL, in which ? begins the parameters
        return joined(Any, [_literal(field, asked), *([_wild(field, asked.replace("?", " "))] if "*" in asked else [])])
    return joined(Any, [_wild(field, asked), *([_literal(field, asked)] if _BETWEEN.search(asked) else [])])


def is_fuzzy(text: str) -> bool:
    """Whether a term asks for similar words, or for more weight, in the syntax of Lucene."""
    return _FUZZY.search(text) is not None


def _literal(field: Field | None, text: str) -> Query:
    """Return the query for a term whose wildcards, if any, are meant as they stand."""
    signs = _signs(field, text)
    if len(signs) == 1 and text.lower() == signs[0].wanted.word:
        return signs[0]
    parts = core(unicodedata.normalize("NFKC", text))
    if len(parts) == 1:  # l'avocat, user's
        return _literal(field, parts[0])
    wanted = wanted_words(text)
    if len(wanted) == 1 and is_character(wanted[0]):
        return joined(All, [Pattern(field, wanted[0].word + "*"), *signs])
    if len(wanted) == 1 and JOINT not in text:
        return joined(All, [_word(field, wanted[0]), *signs])
    readings = [_word(field, wanted[0]) if len(wanted) == 1 else _phrase(field, text)]
    if parts:
        whole = wanted_words("".join(parts))
        readings.append(_word(field, whole[0]) if len(whole) == 1 else _phrase(field, "".join(parts)))
    if JOINT in text:
        readings.append(_phrase(field, text.replace(JOINT, " ")))
    if field is None and (identifier := _IDENTIFIER.fullmatch(text)):
        readings.append(MessageId(identifier[1]))
    return joined(All, [joined(Any, readings), *signs])


def _word(field: Field | None, wanted: Wanted) -> Word:
    return Word(field, wanted if field in {None, *STEMMED} else wanted.as_written)


def _signs(field: Field | None, text: str) -> list[Word]:
    return [Word(field, wanted) for wanted in wanted_signs(text)]


def _phrase(field: Field | None, text: str, *, is_open: bool = False) -> Query:
    """Return the query for adjacent words, or for the same words in another spelling."""
    found: list[Query] = []
    for spelled in (text, *spellings(text)):
        words = tuple(one.word for one in wanted_words(spelled))
        if len(words) > MAX_PHRASE:
            raise BadTerm(f"a phrase has at most {MAX_PHRASE} words")
        if (words and is_open and len(words) == 1) or (len(words) == 1 and is_character(Wanted(words[0]))):
            found.append(Pattern(field, words[0] + "*"))
        elif words:
            found.append(Phrase(field, words, is_open=is_open and not is_paired(words[-1])))
    return joined(Any, found)


def _more(field: Field | None, asked: str, text: str) -> Iterator[Query]:
    """Yield the pattern that `paid?` may mean besides: one letter more, or two for `paid??`."""
    marks = _ASKED.match(text, len(asked))
    if marks and asked.isalnum() and len(asked) >= _FEWEST and not is_paired(asked):
        yield Pattern(field, fold(asked) + marks[0])


def _wild(field: Field | None, text: str) -> Query:
    """Return the query for a term with wildcards: the words that contain `*` or `?`, and the text between them."""
    first, last = _WILD.search(text), _OPEN_WORD.search(text)
    if first and last and first.start() > last.start() and len(wanted_words(text)) > 1:
        return joined(All, [_phrase(field, text, is_open=True), *_signs(field, text)])
    parts: list[Query] = []
    end = 0
    matches = list(_WILD_WORD.finditer(text))
    if len(matches) > _MOST_PATTERNS:
        raise BadTerm(f"a term has at most {_MOST_PATTERNS} words with * or ?")
    for match in matches:
        parts.append(_literal_between(field, text[end : match.start()]))
        parts.append(_pattern(field, match[0], is_whole=match[0] == text))
        end = match.end()
    parts.append(_literal_between(field, text[end:]))
    return joined(All, parts)


def _literal_between(field: Field | None, text: str) -> Query:
    return joined(All, [_phrase(field, text), *_signs(field, text)])


def _pattern(field: Field | None, piece: str, *, is_whole: bool) -> Query:
    bare = _WILD.sub("", piece)
    if not bare:
        return ALWAYS
    if is_paired(bare):
        runs = _RUN.findall(piece)
        return joined(All, [_phrase(field, run.rstrip("*"), is_open=run[-1] == "*") for run in runs])
    if _WILD.match(piece) and len(bare) < _FEWEST_INNER:
        if not is_whole:
            return _phrase(field, bare)
        raise BadTerm(
            f"{piece} has too few letters",
            hint=f"A word that begins with * or ? needs {_FEWEST_INNER} letters or more.",
        )
    if globs.count(globs.simplified(piece)) > globs.MAX_WILDCARDS:
        raise BadTerm(f"a word has at most {globs.MAX_WILDCARDS} of * and ?")
    spelled = (piece, *spellings(piece))
    return joined(Any, [Pattern(field, globs.simplified(fold(one))) for one in spelled])
