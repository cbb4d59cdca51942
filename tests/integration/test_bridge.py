"""The bridge between threads and the event loop, with real resources."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from muniment.bridge import Bridge
from muniment.errors import NotFound, NotStarted
from muniment.secrecy import Secret, create_key_file
from muniment.services.access.principal import Principal
from muniment.services.resources import Resources
from muniment.settings import Settings
from tests.support.waiting import wait_until


@pytest.fixture
def bridge(database_url: str, tmp_path: Path) -> Iterator[Bridge]:
    """A bridge on the test's own database, without a broker."""
    settings = Settings(data=tmp_path, database_url=Secret(database_url), redis_url=Secret("redis://127.0.0.1:1/0"))
    create_key_file(settings.key_file)
    made = Bridge(lambda: settings)
    yield made
    made.stop()


class _Slice:
    """A service that works until it is cancelled, then cleans up in several steps, like a slice."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.handed_back = 0

    async def __call__(self, _principal: Principal, resources: Resources) -> None:
        self.started.set()
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(20):
                # `wait_for` creates a task, as the connection pool does.
                await asyncio.wait_for(self._step(resources), 5)

    async def _step(self, resources: Resources) -> None:
        async with resources.database.session() as session:
            await session.value("SELECT pg_sleep(0.01)")
        self.handed_back += 1


def _begin(bridge: Bridge, pool: ThreadPoolExecutor, slices: list[_Slice]) -> list[Future[None]]:
    futures = [pool.submit(bridge.run, slice_) for slice_ in slices]
    for slice_ in slices:
        wait_until(slice_.started.is_set, "the service to run")
    return futures


def test_run_returns_what_the_service_returns_or_raises(bridge: Bridge) -> None:
    """A thread receives the service's result, or its error unchanged."""

    async def double(_principal: Principal, resources: Resources) -> int:
        async with resources.database.session() as session:
            return int(await session.value("SELECT 2 * 21"))

    async def fail(_principal: Principal, _resources: Resources) -> None:
        raise NotFound("no such thing")

    assert bridge.run(double) == 42
    with pytest.raises(NotFound, match="no such thing"):
        bridge.run(fail)


def test_interrupted_services_clean_up_before_their_threads_go_on(bridge: Bridge) -> None:
    """After `interrupt`, every `run` raises CancelledError, but only after its service has handed its job back."""
    slices = [_Slice() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        futures = _begin(bridge, pool, slices)

        bridge.interrupt()

        for future in futures:
            with pytest.raises(CancelledError):
                future.result()
    assert [slice_.handed_back for slice_ in slices] == [20] * 4


def test_stop_lets_services_clean_up(bridge: Bridge) -> None:
    """`stop` right after `interrupt` interrupts neither the clean-up nor the connections that it needs."""
    slices = [_Slice() for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        _begin(bridge, pool, slices)

        bridge.interrupt()
        bridge.stop()

    assert [slice_.handed_back for slice_ in slices] == [20] * 4


def test_nothing_starts_after_interrupt(bridge: Bridge) -> None:
    """A task that arrives during the shutdown gets NotStarted."""
    late = _Slice()
    bridge.interrupt()

    with pytest.raises(NotStarted):
        bridge.run(late)

    assert not late.started.is_set()


def test_background_service_survives_a_failure_and_takes_its_leave(bridge: Bridge) -> None:
    """A background service is restarted after a transient failure, and cleans up at `stop`."""
    seen: list[str] = []

    async def report(_principal: Principal, resources: Resources) -> None:
        seen.append("started")
        try:
            await asyncio.Event().wait()
        finally:
            async with resources.database.session() as session:
                await session.value("SELECT 1")
            seen.append("left")

    bridge.keep_running(report, "report")
    wait_until(lambda: seen == ["started"], "the service to run")

    bridge.stop()

    assert seen == ["started", "left"]
