"""Finds messages by the envelope recipients that their header does not show, each only in that recipient's archive.

A document holds each word of such an address twice: with the id of the archive, for searches in some archives, and
without, for searches in all of them. `to:` looks for these words as well; nothing else does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from muniment.search.query import All, Any, Field, Not, Pattern, Phrase, Query, Word
from muniment.search.words import BREAK, Wanted, Words, read_words

_ANYBODY = ""


def delivered_words(delivered: Sequence[str]) -> Words:
    """Return the words to index for `Document.delivered`."""
    words: list[str] = []
    for entry in delivered:
        archive, _, address = entry.partition("/")
        plain = read_words((address,)).words
        for owner in (archive, _ANYBODY):
            words += [BREAK, *(f"{owner}/{word}" for word in plain)]
    return Words(words[1:], [])


def with_deliveries(query: Query, archives: Sequence[int] | None) -> Query:
    """Let `to:` also find what was delivered to an address that the header does not show, in these archives."""
    match query:
        case All(parts) | Any(parts):
            return replace(query, parts=tuple(with_deliveries(part, archives) for part in parts))
        case Not(part):
            return Not(with_deliveries(part, archives))
        case Word(Field.TO) | Phrase(Field.TO) | Pattern(Field.TO):
            owners = [_ANYBODY] if archives is None else [str(archive) for archive in archives]
            return Any((query, *(_delivered(query, owner) for owner in owners)))
        case _:
            return query


def _delivered(leaf: Word | Phrase | Pattern, owner: str) -> Query:
    match leaf:
        case Word(_, wanted):
            others = tuple(f"{owner}/{other}" for other in wanted.others)
            return Word(Field.DELIVERED, Wanted(f"{owner}/{wanted.word}", others))
        case Phrase(_, words):
            return replace(leaf, field=Field.DELIVERED, words=tuple(f"{owner}/{word}" for word in words))
        case Pattern(_, pattern):
            return replace(leaf, field=Field.DELIVERED, pattern=f"{owner}/{pattern}")
