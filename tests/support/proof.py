"""The invariants of an archive, whatever happened during its runs."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import LiteralString, TypeVar

from muniment.errors import Conflict, Transient
from muniment.model.run import Run, RunState
from muniment.services.operating.show_status import show_status
from muniment.services.reading.export_archive import export_archive
from muniment.services.reading.verify_archive import verify_archive
from muniment.services.resources import Resources
from muniment.services.runs.lifecycle import list_runs, show_run, start_run
from muniment.services.searching.search_messages import Search, search_messages
from tests.support.harness import Contents
from tests.support.principal import ADMIN
from tests.support.source import Source
from tests.support.waiting import wait_until_async

T = TypeVar("T")


async def persist(call: Callable[[], Awaitable[T]], what: str, *, seconds: float = 120.0) -> T:
    """Return the result of `call`, retrying while PostgreSQL or Redis is unavailable, for example just killed."""

    async def attempt() -> tuple[T] | None:
        try:
            return (await call(),)
        except Transient:
            return None

    answer = await wait_until_async(attempt, what, seconds=seconds)
    assert answer is not None
    return answer[0]


async def begin(resources: Resources, profile: str) -> int:
    """Start a run and return its id; if the answer was lost, return the open run."""

    async def attempt() -> int:
        try:
            return await start_run(ADMIN, resources, profile)
        except Conflict:
            return (await list_runs(ADMIN, resources, 1))[0].id

    return await persist(attempt, "a run to start")


async def finish(resources: Resources, run_id: int, *, seconds: float = 240.0) -> Run:
    """Wait until a run is over and return it; AssertionError with the failures unless it succeeded."""

    async def over() -> Run | None:
        run = (await persist(lambda: show_run(ADMIN, resources, run_id), "the run")).run
        return run if run.state.is_final else None

    try:
        run = await wait_until_async(over, f"the end of run {run_id}", seconds=seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}: {await _stuck(resources, run_id)}") from error
    assert run is not None
    assert run.state is RunState.SUCCEEDED, f"{run.state}: {(await show_run(ADMIN, resources, run_id)).failures}"
    return run


async def moved(resources: Resources) -> None:
    """Return as soon as another batch is archived."""

    async def seen() -> int:
        async with resources.database.session() as session:
            return int(await session.value("SELECT coalesce(sum(seen), 0) FROM jobs"))

    before = await persist(seen, "PostgreSQL")

    async def more() -> bool:
        return await persist(seen, "PostgreSQL") > before

    await wait_until_async(more, "another batch", seconds=120)


async def assert_exact(resources: Resources, source: Source, *, folded: bool = False) -> None:
    """Check that each mailbox's export equals its source, folder by folder, byte for byte, without duplicates or gaps.

    `folded`: messages left the source meanwhile. If the same bytes come again after a change of UIDVALIDITY, they are
    recognised as the message that left: then each content must be there, but not more often than it arrived.
    """
    differences = []
    with tempfile.TemporaryDirectory(prefix="muniment-test-") as folder:
        for number, address in enumerate(source.addresses):
            found = await _exported(resources, address, Path(folder) / str(number))
            expected = source.contents[address]
            for path in sorted(found.keys() | expected.keys()):
                have, want = found.get(path), expected.get(path)
                if have != want and not (folded and _is_folded(have, want)):
                    differences.append(
                        f"{address} {path}: {have and have.total()} archived, {want and want.total()} there"
                    )
    assert not differences, differences


def _is_folded(have: Counter[str] | None, want: Counter[str] | None) -> bool:
    """Return whether every content is there, and none more often than it arrived."""
    return have is not None and want is not None and have.keys() == want.keys() and have <= want


async def assert_settled(resources: Resources) -> None:
    """Check that no job is open or leased, everything gets indexed, and all stored bytes are correct."""
    assert await _jobs(resources, "state NOT IN ('done', 'cancelled') OR lease_until IS NOT NULL") == []

    async def drained() -> bool:
        return (await persist(lambda: show_status(ADMIN, resources), "PostgreSQL")).index.outbox == 0

    await wait_until_async(drained, "an empty outbox", seconds=240)
    status = await show_status(ADMIN, resources)
    totals, index = status.totals, status.index
    assert (totals.messages, totals.entries, totals.bytes, index.indexed) == await _counted(resources)
    assert (index.indexed, totals.quarantined, index.failed) == (totals.messages, 0, 0)
    report = await verify_archive(ADMIN, resources)
    assert report.damage == []
    assert report.messages == totals.messages


async def _counted(resources: Resources) -> tuple[int, int, int, int]:
    """Count the rows themselves: messages, entries, bytes, documents."""
    queries: list[LiteralString] = [
        "SELECT count(*) FROM messages",
        "SELECT count(*) FROM entries",
        "SELECT coalesce(sum(size), 0)::bigint FROM messages",
        "SELECT count(*) FROM search_documents",
    ]
    async with resources.database.session() as session:
        messages, entries, size, documents = [int(await session.value(query)) for query in queries]
    return messages, entries, size, documents


async def _filed(resources: Resources, word: str) -> int:
    """Return the number of entries of messages that contain a word."""
    allowed = replace(resources, settings=replace(resources.settings, administrators_search=True))
    found = await search_messages(ADMIN, allowed, Search(word, limit=1000))
    return sum(len(hit.places) for hit in found.hits)


async def assert_searchable(resources: Resources, source: Source) -> None:
    """Check that a search for each unique word finds its message exactly once."""
    hits = {word: await _filed(resources, word) for word in source.needles}
    assert hits == dict.fromkeys(source.needles, 1)


async def _exported(resources: Resources, user: str, directory: Path) -> Contents:
    """Export a user's archive and return the hashes of the exported files by folder."""
    await export_archive(ADMIN, resources, user, directory=directory)
    contents: Contents = {}
    for message in json.loads((directory / "manifest.json").read_text())["messages"]:
        digest = hashlib.sha256((directory / message["path"]).read_bytes()).hexdigest()
        contents.setdefault(tuple(message["folder"][1:]), Counter())[digest] += 1
    return contents


async def _stuck(resources: Resources, run_id: int) -> list[str]:
    depths = (await show_status(ADMIN, resources)).queues
    return [f"queues {depths}", *await _jobs(resources, "state <> 'done' AND run_id = $1", run_id)]


async def _jobs(resources: Resources, condition: str, *args: object) -> list[str]:
    query = f"SELECT jobs::text FROM jobs WHERE {condition}"  # noqa: S608 - conditions are those of this module
    async with resources.database.session() as session:
        return await session.values(query, *args)
