"""Kills that need detailed checks: of `up` itself, and of a worker that resumes; test_chaos.py has all others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from random import Random

import pytest

from muniment.services.profiles.submit_profile import submit_profile
from muniment.services.resources import Resources
from tests.acceptance.conftest import MakeSource
from tests.support.principal import ADMIN
from tests.support.proof import assert_exact, assert_searchable, assert_settled, begin, finish, moved
from tests.support.system import Role, System, celery, system
from tests.support.waiting import wait_until, wait_until_async

SEED = 20260


@pytest.fixture
def hasty_up() -> Iterator[System]:
    """Yield a system that is ready, whose PostgreSQL ends idle transactions after three leases."""
    with system(MUNIMENT_IDLE_TRANSACTION_SECONDS="15") as started:
        started.start()
        yield started


@pytest.mark.proof
async def test_killing_up_itself_loses_nothing(up: System, make_source: MakeSource) -> None:
    """`up` is killed at random moments of a run and restarted on the same data; it finishes the same run."""
    rng = Random(SEED)
    source = make_source(12, 150)
    async with up.resources() as resources:
        await submit_profile(ADMIN, resources, source.profile("everybody"))
        run_id = await begin(resources, "everybody")
        for _ in range(3):
            await moved(resources)
            await asyncio.sleep(rng.uniform(0, 0.3))  # a random moment
            up.kill_up()
            up.start()
        run = await finish(resources, run_id)

        assert run.messages.archived == source.messages
        await assert_settled(resources)
        await assert_searchable(resources, source)
        await assert_exact(resources, source)


async def test_zombie_commits_nothing(hasty_up: System, make_source: MakeSource) -> None:
    """A worker frozen within a transaction does not block others, and does no harm when it resumes after its lease."""
    up, source = hasty_up, make_source(8, 250)
    async with up.resources() as resources:
        await submit_profile(ADMIN, resources, source.profile("everybody"))
        run_id = await begin(resources, "everybody")
        zombie = up.process(Role.ARCHIVE)
        slices = await freeze(up, resources)
        command = ("-A", "workers", "worker", "-Q", "archive", "--pool=threads", "-c", "4")
        with celery(*command, environ=up.client):
            run = await finish(resources, run_id)  # PostgreSQL has ended the idle transaction
        assert run.messages.archived == source.messages
        before = await rows(resources)
        log = up.data / "log" / "archive-worker.log"
        lost = log.read_text().count("lease lost")

        zombie.resume()

        wait_until(lambda: log.read_text().count("lease lost") - lost == slices, "the end of its slices")
        assert await rows(resources) == before
        await assert_settled(resources)
        await assert_exact(resources, source)


async def freeze(up: System, resources: Resources) -> int:
    """Stop the archive worker while it has an open transaction that has written; return the number of jobs it holds."""
    worker = up.process(Role.ARCHIVE)

    async def frozen() -> int | None:
        worker.suspend()
        if await open_writes(resources):
            async with resources.database.session() as session:
                return await session.value("SELECT count(*) FROM jobs WHERE state = 'running'")  # type: ignore[no-any-return]
        worker.resume()
        return None

    held = await wait_until_async(frozen, "a moment within a transaction")
    assert held
    return held


async def open_writes(resources: Resources) -> set[int]:
    """Return the backends whose transactions have written messages and wait for their client, twice in a row."""

    async def waiting() -> set[int]:
        async with resources.database.session() as session:
            return set(
                await session.values(
                    "SELECT pid FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND wait_event = 'ClientRead'"
                    " AND query !~ 'index_outbox|search_documents'"
                )
            )

    before = await waiting()
    if before:
        await asyncio.sleep(0.2)  # by then, transactions of running workers have ended
    return before & await waiting() if before else before


async def rows(resources: Resources) -> list[object]:
    """Return everything that an archive worker may change, as one text per table."""
    query = (
        "SELECT (SELECT md5(string_agg(x::text, '' ORDER BY x::text)) FROM entries x)"
        " || (SELECT md5(string_agg(x::text, '' ORDER BY x::text)) FROM messages x)"
        " || (SELECT md5(string_agg(x::text, '' ORDER BY x::text)) FROM folders x)"
        " || (SELECT md5(string_agg(x::text, '' ORDER BY x::text)) FROM jobs x)"
    )
    async with resources.database.session() as session:
        return await session.values(query)
