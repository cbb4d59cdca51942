"""Thousands of real messages and every known edge case: both indexes agree, and find what they must."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from muniment.search import OpenSearchIndex, Sort
from muniment.services.indexing.drain_outbox import drain_outbox
from muniment.services.indexing.show_index import list_problems, show_index
from tests.support.corpus import corpus_folder, corpus_messages
from tests.support.harness import Harness
from tests.support.opensearch import OpenSearchNode
from tests.support.principal import ADMIN
from tests.support.stored import READER, store

REAL = 2_000
_WORD = re.compile(r"[A-Za-z]{5,}")


def truths(folder: Path) -> list[dict[str, Any]]:
    """Return the known facts about the generated messages of the corpus."""
    lines = (folder / "edge/made/TRUTH.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def known_words(truth: dict[str, Any]) -> Iterator[str]:
    """Yield words that occur in one generated message only."""
    yield from truth.get("body_words", ())
    yield from truth.get("inner", {}).get("body_words", ())
    for attachment in truth.get("attachments", ()):
        yield from (word for word in attachment.get("words", ()) if re.fullmatch(r"[a-z]+", word))


async def drained(harness: Harness) -> None:
    """Drain repeatedly until everything is indexed: a single drain ends after some seconds."""
    while await drain_outbox(harness.resources):
        pass


@pytest.mark.proof
async def test_both_indexes_know_the_same_and_all_of_it(
    harness: Harness, opensearch: OpenSearchNode, new_prefix: Callable[[], str]
) -> None:
    """Every known word of a generated message finds it; both indexes find the same real mail; edge cases do no harm."""
    folder = corpus_folder()
    made = truths(folder)
    raws = [(folder / "edge/made" / truth["path"]).read_bytes() for truth in made]
    raws += [path.read_bytes() for path in sorted((folder / "edge").rglob("*.eml")) if "made" not in path.parts]
    real = [message.raw for message in corpus_messages(REAL)]
    count = await store(harness.database, [*raws, *real])
    away = OpenSearchIndex.open(opensearch.url, prefix=new_prefix())
    other = Harness(replace(harness.resources, index=away), harness.folder)
    await drained(harness)
    async with harness.database.session() as session:
        await session.execute("INSERT INTO index_outbox (store_id, message_id) SELECT store_id, id FROM messages")
    await drained(other)

    for one in (harness, other):
        status = await show_index(ADMIN, one.resources)
        assert (status.indexed, status.outbox, status.failed, status.coverage) == (count, 0, 0, 1.0)
    lost = [
        (one.resources.index.backend, truth["path"], word)
        for truth in made
        for word in known_words(truth)
        for one in (harness, other)
        if (await one.found(word, READER, limit=5)).total < 1
    ]
    different = []
    for query in queries(harness.resources.settings.index_batch):
        for sort in Sort:
            pages = [await one.found(query, READER, limit=200, sort=sort) for one in (harness, other)]
            if pages[0].total != pages[1].total or [h.sha256 for h in pages[0].hits] != [
                h.sha256 for h in pages[1].hits
            ]:
                different.append((query, sort, [page.total for page in pages]))
    problems = await list_problems(ADMIN, harness.resources, None, 1000)
    await away.close()

    assert lost == []
    assert different == []
    assert all(problem.indexed and problem.reasons for problem in problems)


def queries(seed: int) -> list[str]:
    """Return queries built from real mail, always the same ones."""
    rng = random.Random(seed)
    words = [word for message in corpus_messages(60) for word in _WORD.findall(message.raw[-3000:].decode("latin-1"))]
    senders = [
        found[1].decode("latin-1")
        for message in corpus_messages(200)
        if (found := re.search(rb"\nFrom: [^\n]*<([\w.+-]+@[\w.-]+)>", message.raw))
    ]
    picked = rng.sample(words, 60)
    return [
        *picked[:20],
        *(f"{one} {two}" for one, two in zip(picked[20:30], picked[30:40], strict=True)),
        *(f"{one} OR {two}" for one, two in zip(picked[40:45], picked[45:50], strict=True)),
        *(f"{one} -{two}" for one, two in zip(picked[50:55], picked[55:60], strict=True)),
        *(f"{word[:4]}*" for word in picked[:10]),
        *(f"*{word[2:]}" for word in picked[:5]),
        *(f"{word}?" for word in picked[5:10]),
        *(f'"{one} {two[:3]}*"' for one, two in zip(picked[10:15], picked[15:20], strict=True)),
        *(f"{{{one} {two}}}" for one, two in zip(picked[20:25], picked[25:30], strict=True)),
        *("received:2024", "e-mail OR re-send", "c++", "what? why?"),
        *(f"from:{sender}" for sender in rng.sample(senders, 10)),
        *(f"subject:{word}" for word in picked[:10]),
        *('"on behalf of"', '"mailing list"', "has:attachment", "larger:50k", "before:2003", "on:2019", "type:pdf"),
        *("attachment:patch", "filename:*.patch", "is:read", "-linux after:2002 smaller:3k", "body:free subject:free"),
    ]
