"""Growth: the cost of a message in an archive of ten million, compared with one of a hundred thousand.

Rows are generated in PostgreSQL: messages with real SHA-256 values, contents, entries in 100,000 folders, in as many
stores as the scheduler would create. Then the real commit stores new messages in groups, each with the proof of its
folder, which reads back what the folder holds.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from statistics import median

from bench.scale.laboratory import fleet_profile
from muniment.db import folders, jobs
from muniment.model.folder import FolderStatus, ServerFolder
from muniment.model.message import FetchedMessage, MemoryMessage
from muniment.model.run import Lease
from muniment.resources import open_database_as_owner
from muniment.services.archiving.batch import Batch, Filing, Target
from muniment.services.archiving.commit_group import commit_group
from muniment.services.archiving.prove_folders import Visited
from muniment.services.profiles.submit_profile import submit_profile
from muniment.services.resources import Resources
from muniment.services.runs.lifecycle import start_run
from muniment.services.stores.tend_stores import tend_stores
from tests.support.principal import ADMIN

_GROUP = 500
_FOLDERS = 100_000
#: Size of each content in bytes: a small message after compression.
_CONTENT_BYTES = 600
_FILL_AT_ONCE = 250_000

_MESSAGES = """
INSERT INTO messages (store_id, id, sha256, size, message_id, subject, sender, recipients, date)
SELECT $1, n, sha256(int8send(n)), 2500, '<' || n || '@example.com>', 'Subject number ' || n,
       'Somebody <a@example.com>',
       'Somebody Else <b@example.com>', timestamptz '2020-01-01' + n * interval '1 second'
FROM generate_series($2::bigint, $3::bigint) AS n
"""
_CONTENTS = """
INSERT INTO contents (store_id, message_id, part, codec, data)
SELECT $1, n, 0, 1, substring(repeat(encode(sha256(int8send(n)), 'hex'), 10)::bytea FOR $4)
FROM generate_series($2::bigint, $3::bigint) AS n
"""
_ENTRIES = """
INSERT INTO entries (store_id, folder_id, uidvalidity, uid, message_id, internal_date, flags)
SELECT $1, 1000000 + n % $4, 1, n / $4 + 1, n, now(), '{"\\\\Seen"}'
FROM generate_series($2::bigint, $3::bigint) AS n
"""


@dataclass(frozen=True)
class Point:
    """With `rows` messages: milliseconds per new message, and the same in the small archive at that time.

    Both are medians over several groups, committed to the two archives alternately so that other load affects both.
    """

    rows: int
    stores: int
    milliseconds: float
    small_milliseconds: float

    @property
    def ratio(self) -> float:
        """The cost relative to the small archive."""
        return self.milliseconds / self.small_milliseconds


async def growth(
    small: Resources, large: Resources, sizes: Sequence[int], groups: int, warm: int
) -> AsyncIterator[Point]:
    """Grow the archive `large` to each of the sizes, `small` only to the first one, and measure both alternately.

    Each measurement starts with `warm` unmeasured groups: after a checkpoint, PostgreSQL writes each changed page to
    the WAL in full, once. That hardly matters in a run of millions of messages, but would dominate one of some
    thousands.
    """
    archives = [await _Archive.begin(resources) for resources in (small, large)]
    await archives[0].fill(sizes[0])
    for size in sizes:
        await archives[1].fill(size)
        await asyncio.to_thread(os.sync)
        for archive in archives:
            await archive.write(warm)
        seconds = [[await archive.write(1) for archive in archives] for _ in range(groups)]
        beside, grown = (median(column) / _GROUP * 1000 for column in zip(*seconds, strict=True))
        yield Point(size, await archives[1].stores(), grown, beside)


class _Archive:
    """An archive with many generated rows, to which groups of made-up messages are committed under a lease."""

    def __init__(self, resources: Resources, lease: Lease, mailbox_id: int) -> None:
        self._resources = resources
        self._lease = lease
        self._mailbox_id = mailbox_id
        self._rng = Random(1)
        self._number = 0
        self._rows = 0

    @classmethod
    async def begin(cls, resources: Resources) -> _Archive:
        await submit_profile(ADMIN, resources, fleet_profile("growth", ["growth@example.com"]))
        await start_run(ADMIN, resources, "growth")
        async with resources.database.session() as session:
            job_id = await session.value("SELECT id FROM jobs")
            leased = await jobs.lease(session, job_id, "bench", 86_400)
        assert leased is not None
        return cls(resources, leased.lease, leased.mailbox_id)

    async def fill(self, rows: int) -> None:
        """Generate messages until there are `rows` of them, in as many stores as the scheduler would create."""
        while self._rows < rows:
            upto = min(rows, self._rows + _FILL_AT_ONCE)
            await self._generate(self._rows + 1, upto)
            self._rows = upto
            await tend_stores(ADMIN, self._resources)
        async with open_database_as_owner(self._resources.settings) as owner, owner.database.session() as session:
            await session.execute("VACUUM ANALYZE")

    async def stores(self) -> int:
        """Return the number of stores."""
        async with self._resources.database.session() as session:
            return int(await session.value("SELECT count(*) FROM stores"))

    async def _generate(self, first: int, last: int) -> None:
        rows = last - first + 1
        settings = self._resources.settings
        async with open_database_as_owner(settings) as owner, owner.database.transaction() as session:
            store = await session.value("SELECT id FROM stores WHERE state = 'current'")
            await session.execute(_MESSAGES, store, first, last)
            await session.execute(_CONTENTS, store, first, last, _CONTENT_BYTES)
            await session.execute(_ENTRIES, store, first, last, _FOLDERS)
            counts = (store, rows, 2500 * rows)
            await session.execute("INSERT INTO store_counts VALUES ($1, $2, $3, $2, 0)", *counts)
            await session.execute("SELECT setval('message_ids', $1)", last + 1_000_000_000)

    async def write(self, groups: int) -> float:
        """Commit `groups` groups, each to its own folder with its proof; return the seconds."""
        work = [await self._prepare() for _ in range(groups)]
        began = time.perf_counter()
        for filing, visit in work:
            missing = await commit_group(self._resources, self._lease, [filing], [visit])
            assert set(missing.values()) == {0}
        return time.perf_counter() - began

    async def _prepare(self) -> tuple[Filing, Visited]:
        self._number += 1
        name = f"Folder {self._number}"
        async with self._resources.database.session() as session:
            await folders.ensure(session, self._mailbox_id, [ServerFolder(name.encode(), (name,), frozenset(), None)])
            states = await folders.of_mailbox(session, self._mailbox_id, datetime.now(UTC))
            [state] = [state for state in states if state.wire_name == name.encode()]
            await folders.renumber(session, self._lease, state.id, 1)
        target = Target(state.id, 1, renumbered=False)
        messages = [self._message(uid) for uid in range(1, _GROUP + 1)]
        status = FolderStatus(uidvalidity=1, uidnext=_GROUP + 1, messages=_GROUP, highestmodseq=None)
        return Filing(target, Batch(_GROUP, messages)), Visited(target, status, range(1, _GROUP + 1), 0)

    def _message(self, uid: int) -> FetchedMessage:
        number = f"{self._number}.{uid}"
        head = (
            f"From: a@example.com\r\nTo: b@example.com\r\nSubject: New {number}\r\nMessage-ID: <{number}@new>\r\n\r\n"
        )
        return FetchedMessage(
            uid, ("\\Seen",), datetime.now(UTC), MemoryMessage(head.encode() + self._rng.randbytes(1200).hex().encode())
        )
