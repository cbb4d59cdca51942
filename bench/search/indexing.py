"""Indexing speed, from stored to searchable, compared with `notmuch new` on the same mail."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.search.store import opened
from muniment.services.indexing.show_index import show_index
from muniment.settings import Settings
from tests.support.principal import ADMIN
from tests.support.stored import store

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Rate:
    """The speed of one indexer."""

    name: str
    messages: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds


def index_with_muniment(
    name: str, database_url: str, folder: Path, raws: Sequence[bytes], processes: int, opensearch_url: str | None = None
) -> Rate:
    """Store the mail, then measure how long the index processes take to make all of it searchable."""
    environment = {
        "MUNIMENT_DATABASE_URL": database_url,
        "MUNIMENT_OPENSEARCH_PREFIX": "bench-" + name.replace(" ", "-"),
    }
    if opensearch_url:
        environment["MUNIMENT_OPENSEARCH_URL"] = opensearch_url
    settings = Settings.from_environment(environment)

    folder.mkdir(parents=True, exist_ok=True)

    async def prepare() -> int:
        async with opened(database_url, folder, settings) as resources:
            return await store(resources.database, raws)

    async def check(count: int) -> None:
        async with opened(database_url, folder, settings) as resources:
            status = await show_index(ADMIN, resources)
            if (status.indexed, status.outbox) != (count, 0):
                raise AssertionError(f"{status.indexed} of {count} messages indexed, {status.outbox} wait")

    count = asyncio.run(prepare())
    command = [sys.executable, "-m", "bench.search.worker", str(folder)]
    workers = [
        subprocess.Popen(
            command, cwd=ROOT, env={**os.environ, **environment}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(processes)
    ]
    for worker in workers:
        assert worker.stdout is not None
        worker.stdout.readline()
    began = time.monotonic()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(b"go\n")
        worker.stdin.flush()
    for worker in workers:
        if worker.wait():
            raise AssertionError(f"an index process ended with {worker.returncode}")
    seconds = time.monotonic() - began
    asyncio.run(check(count))
    return Rate(name, count, seconds)


def index_with_notmuch(folder: Path, raws: Sequence[bytes]) -> Rate | None:
    """Return the rate of `notmuch new`; None if it is not installed."""
    if shutil.which("notmuch") is None:
        return None
    mail = folder / "mail"
    for part in ("cur", "new", "tmp"):
        (mail / "box" / part).mkdir(parents=True)
    different = list(dict.fromkeys(raws))
    for number, raw in enumerate(different):
        (mail / "box/cur" / f"{number}:2,S").write_bytes(raw)
    config = folder / "notmuch-config"
    config.write_text(f"[database]\npath={mail}\n[user]\nname=x\nprimary_email=reader@example.com\n[new]\ntags=new\n")
    environment = {**os.environ, "NOTMUCH_CONFIG": str(config)}
    began = time.monotonic()
    subprocess.run(["notmuch", "new", "--quiet"], env=environment, check=True, stderr=subprocess.DEVNULL)
    return Rate("notmuch new", len(different), time.monotonic() - began)
