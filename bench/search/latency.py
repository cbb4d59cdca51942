"""Search latency with a million messages: 20 query shapes, median and 95th percentile of 100 runs each."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bench.search.generated import FOLDERS, SENDERS, USERS, documents, words
from muniment.db.database import Database
from muniment.errors import SearchUnavailable
from muniment.model.document import Document
from muniment.search import Change, OpenSearchIndex, PostgresIndex, Request, SearchIndex, Sort, Target, parse
from muniment.search.query import All, InFolders
from muniment.secrecy import Secret

TARGET = [Target(1, 1)]
_BATCH = 500
_REPEATS = 50
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Shape:
    """A kind of query; `text` builds a new query for each run."""

    name: str
    text: Callable[[random.Random, list[str]], str]
    sort: Sort = Sort.DATE
    facets: bool = False
    everybody: bool = False
    in_folder: bool = False


def _frequent(rng: random.Random, vocabulary: list[str]) -> str:
    return vocabulary[rng.randrange(10, 100)]


def _usual(rng: random.Random, vocabulary: list[str]) -> str:
    return vocabulary[rng.randrange(500, 5_000)]


def _rare(rng: random.Random, vocabulary: list[str]) -> str:
    return vocabulary[rng.randrange(30_000, 60_000)]


SHAPES = [
    Shape("a frequent word", _frequent),
    Shape("a usual word", _usual),
    Shape("a rare word", _rare),
    Shape("two frequent words", lambda r, v: f"{_frequent(r, v)} {_frequent(r, v)}"),
    Shape("three usual words", lambda r, v: f"{_usual(r, v)} {_usual(r, v)} {_usual(r, v)}"),
    Shape("a OR b", lambda r, v: f"{_usual(r, v)} OR {_usual(r, v)}"),
    Shape("a without b", lambda r, v: f"{_usual(r, v)} -{_frequent(r, v)}"),
    Shape("a phrase", lambda r, v: f'"{_frequent(r, v)} {_frequent(r, v)}"'),
    Shape("a beginning, invoi*", lambda r, v: f"{_usual(r, v)[:4]}*"),
    Shape("a pattern, in?oi*e", lambda r, v: f"{_usual(r, v)[:3]}*{r.choice('aeiou')}"),
    Shape("subject:", lambda r, v: f"subject:{_usual(r, v)}"),
    Shape("from: an address", lambda r, _: f"from:person{(p := r.randrange(SENDERS))}@company{p % 300}.example"),
    Shape("a word in a month", lambda r, v: f"{_frequent(r, v)} on:{r.randrange(2016, 2026)}-{r.randrange(1, 13):02}"),
    Shape("has:attachment larger:50k", lambda r, v: f"{_usual(r, v)} has:attachment larger:50k"),
    Shape("is:flagged", lambda *_: "is:flagged"),
    Shape("in a folder", _frequent, in_folder=True),
    Shape("everything of a user", lambda *_: "-nonesuch"),
    Shape("by relevance", lambda r, v: f"{_frequent(r, v)} {_usual(r, v)}", sort=Sort.RELEVANCE),
    Shape("with facets", _frequent, facets=True),
    Shape("everybody's: a frequent word", _frequent, everybody=True),
]


@dataclass(frozen=True)
class Latency:
    """Latencies of a query shape in seconds, and the median number of matches."""

    shape: str
    median: float
    p95: float
    matches: int


def _apply(url: str, prefix: str | None, opensearch_url: str | None, first: int, last: int) -> None:
    """Index documents from a separate process."""

    async def work() -> None:
        database = await Database.open(Secret(url))
        index: SearchIndex = PostgresIndex(database)
        if opensearch_url is not None and prefix is not None:
            index = OpenSearchIndex.open(Secret(opensearch_url), prefix=prefix)
        await index.prepare(TARGET)
        batch: list[Document] = []
        for document in documents(first, last):
            batch.append(document)
            if len(batch) == _BATCH or document.message_id == last - 1:
                await _put(index, [Change(1, one.message_id, one.version, one) for one in batch])
                batch.clear()
        await index.close()
        await database.close()

    asyncio.run(work())


async def _put(index: SearchIndex, changes: list[Change]) -> None:
    """Apply changes, retrying while the index accepts no writes, as index workers do."""
    while True:
        try:
            if failures := await index.apply(TARGET, changes):
                raise AssertionError(failures[0])
        except SearchUnavailable:
            await asyncio.sleep(2)
        else:
            return


def load(url: str, count: int, prefix: str | None = None, opensearch_url: str | None = None) -> float:
    """Index `count` generated documents with two processes; return the seconds."""
    began = time.monotonic()
    step = max(1, count // 20)
    with ProcessPoolExecutor(2) as pool:
        waiting = [
            pool.submit(_apply, url, prefix, opensearch_url, first, min(first + step, count + 1))
            for first in range(1, count + 1, step)
        ]
        for one in waiting:
            one.result()
    return time.monotonic() - began


async def measure(index: SearchIndex) -> list[Latency]:
    """Run each shape many times in sequence, with different words each time; the first runs are not counted."""
    vocabulary = words()
    found = []
    for shape in SHAPES:
        rng = random.Random(shape.name)
        seconds, totals = [], []
        for repeat in range(_REPEATS + 5):
            request = _request(shape, rng, vocabulary)
            began = time.perf_counter()
            matches = await index.search(request)
            if repeat >= 5:
                seconds.append(time.perf_counter() - began)
                totals.append(matches.total)
        seconds.sort()
        p95 = seconds[int(len(seconds) * 0.95)]
        found.append(Latency(shape.name, statistics.median(seconds), p95, int(statistics.median(totals))))
    return found


def _request(shape: Shape, rng: random.Random, vocabulary: list[str]) -> Request:
    user = rng.randrange(1, USERS + 1)
    query = parse(shape.text(rng, vocabulary), now=_NOW, zone=UTC)
    if shape.in_folder:
        query = All((query, InFolders((user * FOLDERS + rng.randrange(FOLDERS),))))
    request = Request(query, None if shape.everybody else (user,), sort=shape.sort, limit=50)
    if shape.facets:
        request = replace(request, facets=True, folders=tuple(range(user * FOLDERS, (user + 1) * FOLDERS)))
    return request
