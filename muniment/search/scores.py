"""Scores: what a word is worth in each part of a document. Every index uses them, so that all sort alike.

Not BM25: its scores change with every message that is indexed, so the list would shift between two pages. Matches have
every word somewhere; what people care about is where, and then how new the message is.
"""

from __future__ import annotations

from muniment.search.query import Field, Pattern, Phrase, Query, Word, words_wanted

#: By the part of a document; a pattern counts by its plain beginning.
SUBJECT, PEOPLE, BODY, ATTACHMENT = 4, 3, 2, 1

#: The parts by their fields. File names are indexed with attachments as well.
PARTS = (
    ((Field.SUBJECT,), SUBJECT),
    ((Field.FROM, Field.TO, Field.CC), PEOPLE),
    ((Field.BODY,), BODY),
    ((Field.ATTACHMENT,), ATTACHMENT),
)

#: Maximum number of words that count.
MAX_SCORED = 20


def scored(query: Query) -> list[Word | Phrase | Pattern]:
    """Return the words of a query that count: the first ones that are not limited to a field."""
    return [leaf for leaf in words_wanted(query) if leaf.field is None][:MAX_SCORED]
