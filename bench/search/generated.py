"""Index documents of made-up mail, as many as needed and without stored messages, for searches among millions."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from muniment.model.document import Document

VOCABULARY = 60_000
SENDERS = 5_000
FOLDERS = 40
USERS = 200
_LETTERS = "aeiourstlnmdkpbg"
_BEGIN = datetime(2016, 1, 1, tzinfo=UTC)
_SECONDS = 10 * 365 * 86_400


def words(seed: int = 1) -> list[str]:
    """Return the vocabulary, most frequent words first."""
    rng = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < VOCABULARY:
        found["".join(rng.choices(_LETTERS, k=rng.randint(3, 11)))] = None
    return list(found)


def documents(first: int, last: int) -> Iterator[Document]:
    """Yield the documents with these ids; equal ids give equal documents."""
    vocabulary = words()
    # Zipf's law: the n-th word is 1/n as frequent as the first.
    weights = list(accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))
    for number in range(first, last):
        rng = random.Random(number)
        text = rng.choices(vocabulary, cum_weights=weights, k=rng.randint(30, 220))
        person = rng.randrange(SENDERS)
        moment = _BEGIN + timedelta(seconds=rng.randrange(_SECONDS))
        users = sorted(rng.sample(range(1, USERS + 1), k=1 + (rng.random() < 0.2)))
        attached = rng.random() < 0.1
        yield Document(
            store_id=1,
            message_id=number,
            version=1000 + number,
            sha256=number.to_bytes(32),
            size=int(rng.lognormvariate(9, 1.3)),
            header_id=f"{number}@generated.example",
            date=moment,
            sent=moment,
            received=moment,
            archived=moment,
            archives=tuple(users),
            folders=tuple(user * FOLDERS + rng.randrange(FOLDERS) for user in users),
            flags=(f"{users[0]}/seen", *((f"{users[0]}/flagged",) if rng.random() < 0.02 else ())),
            sender=f"person{person}@company{person % 300}.example",
            subject=" ".join(text[:6]),
            from_=(f"Person {vocabulary[person]} <person{person}@company{person % 300}.example>",),
            to=(f"User <user{users[0]}@example.com>",),
            body=(" ".join(text),),
            file_names=(f"{text[0]}.pdf",) if attached else (),
            types=("pdf",) if attached else (),
            has_attachment=attached,
        )
