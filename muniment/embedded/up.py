"""`muniment up`: everything on one box, in the foreground, from one data folder."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from muniment import log as logs
from muniment.embedded import endpoints
from muniment.embedded.child import Program, Step
from muniment.embedded.endpoints import Endpoints
from muniment.embedded.folder import DataFolder
from muniment.embedded.leftovers import stop_marked, stop_servers
from muniment.embedded.postgres import EmbeddedPostgres
from muniment.embedded.supervisor import Supervisor
from muniment.embedded.valkey import EmbeddedValkey
from muniment.errors import Misconfigured, Transient
from muniment.jobs import Queue
from muniment.metrics import FOLDER_VARIABLE
from muniment.process import FRUGAL_ALLOCATOR
from muniment.secrecy import create_key_file
from muniment.settings import PREFIX, Settings, environment

log = logs.get(__name__)

#: How long a worker may take to finish or hand back its tasks (Celery's warm shutdown).
WORKER_STOP_SECONDS = 30.0

_T = TypeVar("_T")

_POLL_SECONDS = 0.2
_REMIND_SECONDS = 30.0
_WORKER_RANK, _SCHEDULER_RANK = 2, 3


async def up(
    settings: Settings,
    *,
    prepare: Callable[[Settings], Awaitable[None]],
    ready: Callable[[Settings], Awaitable[bool]],
    announce: Callable[[str], None],
) -> int:
    """Run the databases, the scheduler and both worker pools, as many as the settings say, until SIGINT or SIGTERM; return the exit code 0.

    `prepare` is called once when the databases answer and before any worker starts (migrations); `ready` is asked
    until it says that jobs can run, and then `ready` is announced. Both get the settings with the URLs in force.

    Conflict: another process runs on this data. Misconfigured, Permanent: it cannot start; what had been
    started is stopped again. A second signal cuts short the patience with processes that do not stop.
    """
    return await supervise(settings, processes=celery_programs, prepare=prepare, ready=ready, announce=announce)


async def supervise(
    settings: Settings,
    *,
    processes: Callable[[Settings, Path], list[Program]],
    prepare: Callable[[Settings], Awaitable[None]],
    ready: Callable[[Settings], Awaitable[bool]],
    announce: Callable[[str], None],
) -> int:
    """Do what `up` does, with the programs that `processes` makes of the settings and the folder to run in."""
    folder = DataFolder(settings.data)
    folder.create()
    settings = replace(settings, data=folder.path)
    with folder.held(), folder.sockets() as sockets:
        supervisor = Supervisor(folder.path, folder.log)
        with _signals(supervisor) as told_to_stop:

            async def work() -> None:
                await _in_thread(_clear, folder, settings)
                resolved = await _start_servers(settings, folder, sockets, supervisor)
                await prepare(resolved)
                for program in processes(resolved, folder.run):
                    await _in_thread(supervisor.start, program)
                await _until_ready(supervisor, lambda: ready(resolved), folder.log)
                supervisor.settle()
                announce("ready")

            await _work_until(told_to_stop, asyncio.create_task(work()), lambda: _shut_down(folder, supervisor))
    return 0


def celery_programs(settings: Settings, run: Path) -> list[Program]:
    """Return the two worker pools and the scheduler, as an operator would start them by hand.

    The scheduler gets `metrics_port`, the archive workers the next ones, the index worker the one after them.
    """
    celery = (sys.executable, "-m", "celery", "--quiet", "-A")
    # Only these settings: with both a URL and its *_FILE variable a child would not start.
    others = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    env = FRUGAL_ALLOCATOR | others | environment(settings)
    ports = (str(settings.metrics_port + number) if settings.metrics_port else "" for number in itertools.count())
    children = run / "metrics"
    level = f"--loglevel={settings.log_level}"
    stop = (Step(signal.SIGTERM, WORKER_STOP_SECONDS),)

    def own() -> dict[str, str]:
        return {**env, "MUNIMENT_METRICS_PORT": next(ports)}

    def pool(queue: Queue, kind: str, concurrency: int, number: int = 1) -> Program:
        name = f"{queue}{number}" if number > 1 else queue.value
        options = (f"--pool={kind}", f"--concurrency={concurrency}", f"--hostname={name}@%h", level)
        # Gossip and mingle are talk among workers that nobody here listens to; -E is what Flower shows.
        argv = (*celery, "workers", "worker", "-Q", queue.value, *options, "-E", "--without-gossip", "--without-mingle")
        environ = own() if queue is Queue.ARCHIVE else {**own(), FOLDER_VARIABLE: str(children)}
        tidy = partial(children.mkdir, exist_ok=True)
        return Program(f"{name}-worker", argv, run, environ, rank=_WORKER_RANK, stop=stop, tidy=tidy)

    beat = (*celery, "scheduler", "beat", level, "--pidfile=")
    scheduler = Program("scheduler", beat, run, own(), rank=_SCHEDULER_RANK, stop=stop)
    return [
        *(
            pool(Queue.ARCHIVE, "threads", settings.archive_concurrency, number)
            for number in range(1, settings.archive_processes + 1)
        ),
        pool(Queue.INDEX, "prefork", settings.index_concurrency),
        scheduler,
    ]


def _clear(folder: DataFolder, settings: Settings) -> None:
    """Stop what a killed predecessor left running, and make the key."""
    endpoints.remove(folder.path)
    stop_servers(folder.postgres / "cluster", "postgres", signal.SIGINT)
    stop_servers(folder.valkey / "data", "valkey", signal.SIGTERM)
    stop_marked(folder.path)
    try:
        create_key_file(settings.key_file)
    except OSError as error:
        raise Misconfigured(f"cannot write the secret key file {settings.key_file}: {error.strerror}") from error


async def _start_servers(settings: Settings, folder: DataFolder, sockets: Path, supervisor: Supervisor) -> Settings:
    """Start the embedded servers that the settings do not replace; return the settings with all URLs."""
    servers: dict[str, EmbeddedPostgres | EmbeddedValkey] = {}
    if not settings.database_url:
        servers["database_url"] = EmbeddedPostgres(folder.postgres, sockets)
    if not settings.redis_url:
        servers["redis_url"] = EmbeddedValkey(folder.valkey, sockets)
    for server in servers.values():
        program = await _in_thread(server.prepare)
        await _in_thread(supervisor.start, program)
    urls = {name: server.url for name, server in servers.items()}
    found = Endpoints(urls.get("database_url"), urls.get("redis_url"), os.getpid())
    endpoints.write(folder.path, found)
    return replace(
        settings,
        database_url=settings.database_url or found.database_url,
        redis_url=settings.redis_url or found.redis_url,
    )


async def _until_ready(supervisor: Supervisor, ready: Callable[[], Awaitable[bool]], log_folder: Path) -> None:
    clock = asyncio.get_running_loop().time
    remind = clock() + _REMIND_SECONDS
    while not await _is_ready(ready):
        supervisor.check()
        if clock() > remind:
            remind = clock() + _REMIND_SECONDS
            log.warning("still waiting for the workers", logs=str(log_folder))
        await asyncio.sleep(_POLL_SECONDS)


async def _is_ready(ready: Callable[[], Awaitable[bool]]) -> bool:
    try:
        return await ready()
    except Transient:
        return False  # a database that was killed meanwhile is being restarted


async def _shut_down(folder: DataFolder, supervisor: Supervisor) -> None:
    endpoints.remove(folder.path)
    await asyncio.to_thread(supervisor.stop)


async def _work_until(
    told_to_stop: asyncio.Event, work: asyncio.Task[None], shut_down: Callable[[], Awaitable[None]]
) -> None:
    """Wait for the signal, shut down, and raise what `work` failed with, if it did."""
    stop = asyncio.create_task(told_to_stop.wait())
    try:
        await asyncio.wait({stop, work}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
            await stop
    finally:
        work.cancel()
        await shut_down()  # before waiting for `work`: it may be waiting for a process to answer
        await asyncio.wait({work})
        stop.cancel()


@contextmanager
def _signals(supervisor: Supervisor) -> Iterator[asyncio.Event]:
    """Give an event that the first signal sets; every further signal hurries the supervisor."""
    told_to_stop = asyncio.Event()

    def on_signal(number: signal.Signals) -> None:
        if told_to_stop.is_set():
            supervisor.hurry()
        else:
            log.info("stopping", signal=number.name)
        told_to_stop.set()

    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield told_to_stop
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def _in_thread(function: Callable[..., _T], *arguments: object) -> _T:
    """Run a blocking function in a thread; when cancelled, wait for its end all the same."""
    running = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise
