"""Scores: the value of a word in each part of a document. Both indexes use them, and so sort matches in the same order.

Not BM25: its scores change with every message that is indexed, so results would shift between two pages. All matches
contain the words somewhere; what matters to users is where, and then how new the message is.
"""

from __future__ import annotations

from muniment.search.query import Field, Pattern, Phrase, Query, Word, split_pattern, words_wanted

#: The score for each part of a document; a pattern is scored by its literal prefix.
SUBJECT, PEOPLE, BODY, ATTACHMENT = 4, 3, 2, 1

#: The fields of each part. File names are indexed with attachments, too.
PARTS = (
    ((Field.SUBJECT,), SUBJECT),
    ((Field.FROM, Field.TO, Field.CC, Field.REPLY_TO, Field.SENT_BY, Field.LIST), PEOPLE),
    ((Field.BODY,), BODY),
    ((Field.ATTACHMENT,), ATTACHMENT),
)

#: Maximum number of words that are scored.
MAX_SCORED = 20


def scored(query: Query) -> list[Word | Phrase | Pattern]:
    """Return the words of a query that are scored: the first ones that are not limited to a field.

    A pattern that begins with a wildcard has no prefix by which it could be scored.
    """
    return [leaf for leaf in words_wanted(query) if leaf.field is None and not _is_open(leaf)][:MAX_SCORED]


def _is_open(leaf: Word | Phrase | Pattern) -> bool:
    return isinstance(leaf, Pattern) and not split_pattern(leaf.pattern)[0]
