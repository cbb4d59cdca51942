"""A fleet of 100,000 mailboxes: submitting them, dispatching their jobs, and the scheduler's tick over those jobs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import Any

import psutil
import redis

from bench.scale.laboratory import fleet_profile
from muniment.jobs import Queue
from muniment.queue.url import redis_py_url
from muniment.resources import open_database_as_owner
from muniment.services.indexing.tend_index import dispatch_index
from muniment.services.profiles.submit_profile import submit_profile
from muniment.services.resources import Resources
from muniment.services.runs.lifecycle import start_run
from muniment.services.runs.tick import pump_runs
from tests.support.principal import ADMIN

_MIB = 2**20

#: The middle of a run: most jobs wait or are done, some wait for a retry, some are leased, some have failed.
_MIDDLE = """
UPDATE jobs SET
    state = CASE WHEN id % 100 < 50 THEN 'done' WHEN id % 100 < 51 THEN 'failed' ELSE 'waiting' END,
    finished = CASE WHEN id % 100 < 51 THEN now() END,
    not_before = CASE WHEN id % 100 BETWEEN 90 AND 99 THEN now() + interval '5 minutes' ELSE now() END
WHERE state = 'waiting'
"""
_WORK = """
UPDATE jobs SET state = 'done', finished = now(), lease_until = NULL WHERE id IN (
    SELECT id FROM jobs WHERE state = 'sent' ORDER BY id LIMIT $1)
"""


@dataclass(frozen=True)
class Fleet:
    """Seconds and MiB. `entries`: the most that the broker ever held. `tick_seconds`: the median of many ticks."""

    mailboxes: int
    submit_seconds: float
    start_seconds: float
    grown_mib: float
    entries: int
    tick_seconds: float
    longest_tick_seconds: float


async def fleet(resources: Resources, mailboxes: int, ticks: int) -> Fleet:
    """Submit the mailboxes, start a run, dispatch its jobs, and measure the tick."""
    process = psutil.Process()
    before = process.memory_info().rss
    began = time.perf_counter()
    addresses = [f"user{number}@example.com" for number in range(mailboxes)]
    await submit_profile(ADMIN, resources, fleet_profile("fleet", addresses))
    submitted = time.perf_counter()
    await start_run(ADMIN, resources, "fleet")
    started = time.perf_counter()
    grown = process.memory_info().rss - before
    async with resources.database.session() as session:
        await session.execute(_MIDDLE)
    async with open_database_as_owner(resources.settings) as owner, owner.database.session() as session:
        await session.execute("VACUUM ANALYZE jobs")
    entries, seconds = 0, []
    for _ in range(ticks):
        tick = time.perf_counter()
        await pump_runs(ADMIN, resources)
        await dispatch_index(ADMIN, resources)
        seconds.append(time.perf_counter() - tick)
        entries = max(entries, _entries(resources))
        async with resources.database.session() as session:
            await session.execute(_WORK, 50)
        _take(resources, 50)
    return Fleet(
        mailboxes,
        submitted - began,
        started - submitted,
        grown / _MIB,
        entries,
        median(seconds),
        max(seconds),
    )


def _client(resources: Resources) -> Any:
    assert resources.settings.redis_url is not None
    return redis.Redis.from_url(redis_py_url(resources.settings.redis_url.reveal()))


def _entries(resources: Resources) -> int:
    """Return the number of keys and list elements that the broker holds."""
    client = _client(resources)
    keys = list(client.scan_iter())
    return len(keys) + sum(int(client.llen(key)) for key in keys if client.type(key) == b"list")


def _take(resources: Resources, tasks: int) -> None:
    client = _client(resources)
    for _ in range(tasks):
        client.lpop(Queue.ARCHIVE.value)
