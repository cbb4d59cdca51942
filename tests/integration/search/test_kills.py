"""Index workers and OpenSearch are killed repeatedly; in the end, the index has every message once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from muniment.search import OpenSearchIndex, Target
from muniment.services.indexing.rebuild_index import begin_rebuilds
from muniment.services.indexing.show_index import show_index
from muniment.services.runs.lifecycle import start_run
from tests.integration.search.test_upkeep import settled
from tests.support.harness import Harness
from tests.support.imap_server import ImapServer
from tests.support.opensearch import OpenSearchNode, running_opensearch
from tests.support.principal import ADMIN
from tests.support.scripted import mailbox, neighbourhood, submit
from tests.support.waiting import wait_until_async

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def mortal() -> Iterator[OpenSearchNode]:
    """A node for this module only, which may be killed."""
    with running_opensearch() as node:
        yield node


class Worker:
    """An index worker as a separate process."""

    def __init__(self, harness: Harness, database_url: str, more: dict[str, str]) -> None:
        self._environment = {
            **os.environ,
            "MUNIMENT_DATABASE_URL": database_url,
            "MUNIMENT_DATA": str(harness.folder),
            "MUNIMENT_LOG_LEVEL": "ERROR",
            **more,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start a new process."""
        command = [sys.executable, "-m", "tests.support.index_worker"]
        self._process = subprocess.Popen(command, cwd=ROOT, env=self._environment)

    def kill(self) -> None:
        """Kill it, as in a crash."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None


async def progress(harness: Harness, done: int) -> None:
    """Wait until the outbox has so many fewer rows, or none."""

    async def waiting() -> int:
        async with harness.database.session() as session:
            count: int = await session.value("SELECT count(*) FROM index_outbox")
            return count

    begun = await waiting()

    async def moved() -> bool:
        return (left := await waiting()) == 0 or begun - left >= done

    await wait_until_async(moved, "the index workers go on", seconds=240)


async def assert_exact(harness: Harness, messages: int) -> None:
    """Check that the index has exactly the messages of the archive, and that each is found."""
    async with harness.database.session() as session:
        stored = await session.values("SELECT id FROM messages ORDER BY id")
        (generation,) = await session.values(
            "SELECT live FROM index_generations WHERE backend = $1", harness.resources.index.backend
        )
    held = await harness.resources.index.ids(Target(1, generation), 0, 10_000)
    status = await show_index(ADMIN, harness.resources)
    found = await harness.found("about")

    assert held == stored
    assert (status.coverage, status.indexed, status.outbox, status.failed) == (1.0, messages, 0, 0)
    assert found.total == messages


@pytest.mark.proof
async def test_killed_workers_lose_nothing(harness: Harness, database_url: str) -> None:
    """Workers of the embedded index are killed in the middle of batches and of a rebuild without losses."""
    script = neighbourhood(mailbox("target", messages=60))
    rng = random.Random(5)
    async with ImapServer(script) as server:
        await submit(harness, server)
        await harness.finish(await start_run(ADMIN, harness.resources, "all"))
    worker = Worker(harness, database_url, {})
    for kills in range(8):
        if kills == 4:
            await begin_rebuilds(ADMIN, harness.resources, None)
        worker.start()
        await progress(harness, rng.randrange(1, 40))
        worker.kill()
    await settled(harness)

    await assert_exact(harness, 180 + 54)


@pytest.mark.proof
async def test_killed_opensearch_loses_nothing(harness: Harness, database_url: str, mortal: OpenSearchNode) -> None:
    """OpenSearch and workers are killed during indexing and a rebuild without losses or any effect on archiving."""
    index = OpenSearchIndex.open(mortal.url, prefix="mortal")
    searching = Harness(replace(harness.resources, index=index), harness.folder)
    rng = random.Random(7)
    script = neighbourhood(mailbox("target", messages=60))
    more = {"MUNIMENT_OPENSEARCH_URL": mortal.url.reveal(), "MUNIMENT_OPENSEARCH_PREFIX": "mortal"}
    worker = Worker(harness, database_url, more)
    worker.start()
    mortal.kill()  # archiving starts while it is down
    async with ImapServer(script) as server:
        await submit(searching, server)
        report = await searching.finish(await start_run(ADMIN, searching.resources, "all"))
    mortal.start()
    for kills in range(4):
        await progress(searching, rng.randrange(5, 40))
        if kills == 1:
            await begin_rebuilds(ADMIN, searching.resources, None)
        worker.kill()
        mortal.kill()
        mortal.start()
        worker.start()
    worker.kill()
    async with searching.database.session() as session:
        await session.execute("DELETE FROM index_pause")
    await settled(searching)
    await assert_exact(searching, 180 + 54)
    await index.close()

    assert report.run.messages.archived == 180 + 54
