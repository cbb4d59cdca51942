"""What it is worth where a word stands; the same in every index, so that all sort alike.

Not BM25: its scores change with every message that is indexed, and a list would jump between two pages. Every word has
to stand somewhere anyway; where it does, and then how new the message is, is what people look for.
"""

from __future__ import annotations

from muniment.search.query import Pattern, Phrase, Query, Word, words_wanted

#: By the part of a document; a pattern counts by its plain beginning.
SUBJECT, PEOPLE, BODY, ATTACHMENT = 4, 3, 2, 1

#: Words that count.
MAX_SCORED = 20


def scored(query: Query) -> list[Word | Phrase | Pattern]:
    """Return the words of a query that count: the first ones that are looked for everywhere."""
    return [leaf for leaf in words_wanted(query) if leaf.field is None][:MAX_SCORED]
