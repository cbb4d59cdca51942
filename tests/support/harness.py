"""The whole archiving path in one process: real PostgreSQL, real IMAP, an in-memory queue instead of Celery."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path
from typing import Any

from muniment.contents import PostgresContents
from muniment.db.database import Database, Session
from muniment.jobs import ARCHIVE_SLICE
from muniment.mailserver import ByteBudget
from muniment.model.folder_scope import EVERYTHING
from muniment.model.login import LoginMethod
from muniment.model.profile import Access, ProfileKind, Server
from muniment.model.run import Run
from muniment.network import NetworkConnector
from muniment.queue import MemoryQueue
from muniment.sealing import KeyRing
from muniment.search import OpenSearchIndex, PostgresIndex
from muniment.secrecy import Secret, create_key_file
from muniment.services.access.principal import Principal
from muniment.services.archiving.run_slice import SliceEnd
from muniment.services.archiving.run_slices import run_slices
from muniment.services.indexing.drain_outbox import drain_outbox
from muniment.services.profiles.submit_profile import ProfileSummary, submit_profile
from muniment.services.reading.export_archive import export_archive
from muniment.services.resources import Resources
from muniment.services.runs.lifecycle import RunReport, show_run, start_run
from muniment.services.runs.tick import pump_runs
from muniment.services.searching.search_messages import Found, Hit, Search, search_messages
from muniment.settings import Settings
from tests.support.principal import ADMIN
from tests.support.profiles import profile_request
from tests.support.services import administrator

#: Folder path (without the root folder) → number of occurrences of each SHA-256 (hex).
Contents = dict[tuple[str, ...], Counter[str]]


@dataclass
class Harness:
    """Resources, and the operations that most tests need."""

    resources: Resources
    folder: Path

    @property
    def queue(self) -> MemoryQueue:
        """The queue, with its concrete type."""
        assert isinstance(self.resources.queue, MemoryQueue)
        return self.resources.queue

    @property
    def database(self) -> Database:
        """The database."""
        return self.resources.database

    def administrator(self) -> AbstractAsyncContextManager[Session]:
        """Return a session that may do what Muniment itself may not, such as damaging the archive."""
        url = self.resources.settings.database_url
        assert url is not None
        return administrator(url.reveal())

    def with_settings(self, **changes: Any) -> Harness:
        """Return a copy of the harness with changed settings."""
        return Harness(replace(self.resources, settings=replace(self.resources.settings, **changes)), self.folder)

    async def submit(self, name: str, host: str, port: int, **changes: Any) -> ProfileSummary:
        """Add a master profile (plain IMAP, SASL PLAIN with authorization identity) with the given changes."""
        usual = {
            "name": name,
            "kind": ProfileKind.MASTER,
            "server": Server(host, port, Access.IMAP, timeout_seconds=20.0),
            "login": LoginMethod.parse("plain-authzid"),
            "user": "archiver",
            "password": Secret("master"),
            "folders": EVERYTHING,
        }
        return await submit_profile(ADMIN, self.resources, profile_request(**{**usual, **changes}))

    async def archive(self, profile: str) -> RunReport:
        """Run a profile until it ends, and index what it archived."""
        run_id = await start_run(ADMIN, self.resources, profile)
        report = await self.finish(run_id)
        await drain_outbox(self.resources)
        return report

    async def finish(self, run_id: int, *, seconds: float = 240.0) -> RunReport:
        """Process tasks until the run ends, like workers and the scheduler."""
        async with asyncio.timeout(seconds):
            while not (await self.run(run_id)).state.is_final:
                await self.work()
                await pump_runs(ADMIN, self.resources)
        return await show_run(ADMIN, self.resources, run_id)

    async def work(self) -> list[SliceEnd]:
        """Run all slices now in the queue concurrently."""
        taken, self.queue.tasks = list(self.queue.tasks), type(self.queue.tasks)()
        slices = [run_slices(ADMIN, self.resources, *ids) for task, ids in taken if task == ARCHIVE_SLICE]
        return list(await asyncio.gather(*slices))

    async def run(self, run_id: int) -> Run:
        """Return a run."""
        return (await show_run(ADMIN, self.resources, run_id)).run

    async def let_pass(self, hours: float) -> None:
        """Let time pass since all that was looked at: everything that the archive knows of it becomes older."""
        age = "make_interval(secs => $1 * 3600) AS age"
        of_folders = "UPDATE folders SET proven = proven - age, unmoved = unmoved - age, flags_seen = flags_seen - age"
        of_mailboxes = "UPDATE mailboxes SET proven = proven - age, visited = visited - age"
        async with self.database.session() as session:
            await session.execute(f"{of_folders} FROM {age}", hours)
            await session.execute(f"{of_mailboxes} FROM {age}", hours)

    async def search(self, query: str, user: str | None = None, **options: Any) -> list[Hit]:
        """Return the results of a search over all archives or as a user."""
        return (await self.found(query, user, **options)).hits

    async def found(self, query: str, user: str | None = None, **options: Any) -> Found:
        """Return a page of search results, after the index has made all its documents searchable."""
        if isinstance(self.resources.index, OpenSearchIndex):
            await self.resources.index.refresh()
        search = Search(query, **{"limit": 1000, "zone": UTC, **options})
        principal = ADMIN if user is None else Principal.archive_user(user)
        return await search_messages(principal, self.resources, search)

    async def exported(self, user: str, name: str = "export") -> Contents:
        """Export a user's archive and return the hashes of the exported files by folder."""
        directory = self.folder / f"{name}-{user}"
        await export_archive(ADMIN, self.resources, user, directory=directory)
        contents: Contents = {}
        for message in json.loads((directory / "manifest.json").read_text())["messages"]:
            digest = hashlib.sha256((directory / message["path"]).read_bytes()).hexdigest()
            assert message["sha256"] == digest
            contents.setdefault(tuple(message["folder"][1:]), Counter())[digest] += 1
        return contents


def hashes(messages: Sequence[bytes]) -> Counter[str]:
    """Count the occurrences of each SHA-256 (hex) among these messages."""
    return Counter(hashlib.sha256(message).hexdigest() for message in messages)


@asynccontextmanager
async def open_harness(database_url: str, folder: Path) -> AsyncIterator[Harness]:
    """Open a harness on a migrated database; retries and leases are short."""
    create_key_file(folder / "secret.key")
    settings = Settings(
        data=folder,
        database_url=Secret(database_url),
        lease_seconds=5.0,
        retry_first_seconds=0.01,
        retry_cap_seconds=0.02,
        batch_messages=50,
        administrators_search=True,
    )
    settings.spool.mkdir(exist_ok=True)
    database = await Database.open(Secret(database_url))
    resources = Resources(
        settings=settings,
        database=database,
        secrets=KeyRing.from_key_file(settings.key_file),
        queue=MemoryQueue(),
        index=PostgresIndex(database),
        contents=PostgresContents(database),
        budget=ByteBudget(settings.memory_budget_bytes),
        connector=NetworkConnector(),
    )
    try:
        yield Harness(resources, folder)
    finally:
        await resources.attachments.close()
        await database.close()
