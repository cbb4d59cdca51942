"""`muniment up`: runs everything on one machine, in the foreground, from one data folder."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
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
from muniment.settings import Settings, environment, without_settings

log = logs.get(__name__)

#: How long a worker may take to finish its tasks or hand them back (Celery's warm shutdown).
WORKER_STOP_SECONDS = 30.0

_T = TypeVar("_T")

_POLL_SECONDS = 0.2
_REMIND_SECONDS = 30.0
#: The folder for the URLs of the servers, which may contain passwords.
_SECRETS = "secrets"

_WORKER_RANK, _SCHEDULER_RANK = 2, 3


async def up(
    settings: Settings,
    *,
    prepare: Callable[[Settings], Awaitable[None]],
    ready: Callable[[Settings], Awaitable[bool]],
    announce: Callable[[str], None],
) -> int:
    """Run the databases, the scheduler and the workers until SIGINT or SIGTERM; return exit code 0.

    `prepare` is called once when the databases are ready, before any worker starts (migrations). `ready` is polled
    until it returns True, which means that jobs can run; then "ready" is announced. Both receive the settings with
    the effective URLs.

    Raises Conflict if another process uses this data folder, Misconfigured or Permanent if startup fails; everything
    that was started is stopped first. A second signal shortens the wait for processes that do not stop.
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
    """Do what `up` does, with the programs that `processes` returns for the settings and the working directory."""
    folder = DataFolder(settings.data)
    folder.create()
    settings = replace(settings, data=folder.path)
    with folder.held(), folder.sockets() as sockets:
        supervisor = Supervisor(folder.path, folder.log)
        with _signals(supervisor) as stop_requested:

            async def work() -> None:
                await _in_thread(_clear, folder, settings)
                resolved = await _start_servers(settings, folder, sockets, supervisor)
                await prepare(resolved)
                for program in processes(resolved, folder.run):
                    await _in_thread(supervisor.start, program)
                await _until_ready(supervisor, lambda: ready(resolved), folder.log)
                supervisor.settle()
                announce("ready")

            await _work_until(stop_requested, asyncio.create_task(work()), lambda: _shut_down(folder, supervisor))
    return 0


def celery_programs(settings: Settings, run: Path) -> list[Program]:
    """Return the workers and the scheduler, as an operator would start them manually.

    The scheduler uses `metrics_port`; the archive workers and then the index worker use the ports that follow.
    """
    celery = (sys.executable, "-m", "celery", "--quiet", "-A")
    # Pass only these settings: a child with both a URL and its *_FILE variable does not start.
    env = FRUGAL_ALLOCATOR | without_settings(os.environ) | environment(settings.for_workers, run / _SECRETS)
    ports = (str(settings.metrics_port + number) if settings.metrics_port else "" for number in itertools.count())
    children = run / "metrics"
    level = f"--loglevel={settings.log_level}"
    stop = (Step(signal.SIGTERM, WORKER_STOP_SECONDS),)

    def with_port() -> dict[str, str]:
        return {**env, "MUNIMENT_METRICS_PORT": next(ports)}

    def pool(queue: Queue, kind: str, concurrency: int, number: int = 1) -> Program:
        name = f"{queue}{number}" if number > 1 else queue.value
        options = (f"--pool={kind}", f"--concurrency={concurrency}", f"--hostname={name}@%h", level)
        # Workers do not need gossip and mingle; Flower needs the events of -E.
        argv = (*celery, "workers", "worker", "-Q", queue.value, *options, "-E", "--without-gossip", "--without-mingle")
        environ = with_port() if queue is Queue.ARCHIVE else {**with_port(), FOLDER_VARIABLE: str(children)}
        tidy = partial(children.mkdir, exist_ok=True)
        return Program(f"{name}-worker", argv, run, environ, rank=_WORKER_RANK, stop=stop, tidy=tidy)

    beat = (*celery, "scheduler", "beat", level, "--pidfile=")
    scheduler = Program("scheduler", beat, run, with_port(), rank=_SCHEDULER_RANK, stop=stop)
    return [
        *(
            pool(Queue.ARCHIVE, "threads", settings.archive_concurrency, number)
            for number in range(1, settings.archive_processes + 1)
        ),
        pool(Queue.INDEX, "prefork", settings.index_concurrency),
        scheduler,
    ]


def _clear(folder: DataFolder, settings: Settings) -> None:
    """Stop leftover processes of a killed predecessor, and create the key file."""
    endpoints.remove(folder.path)
    stop_servers(folder.postgres / "cluster", "postgres", signal.SIGINT)
    stop_servers(folder.valkey / "data", "valkey", signal.SIGTERM)
    stop_marked(folder.path)
    try:
        create_key_file(settings.key_file)
    except OSError as error:
        raise Misconfigured(f"cannot write the secret key file {settings.key_file}: {error.strerror}") from error


async def _start_servers(settings: Settings, folder: DataFolder, sockets: Path, supervisor: Supervisor) -> Settings:
    """Start the embedded servers for URLs missing from the settings; return the settings with all URLs."""
    postgres = None if settings.database_url else EmbeddedPostgres(folder.postgres, sockets)
    valkey = None if settings.redis_url else EmbeddedValkey(folder.valkey, sockets)
    for server in (postgres, valkey):
        if server:
            program = await _in_thread(server.prepare)
            await _in_thread(supervisor.start, program)
    started = Endpoints(
        postgres.url if postgres else None,
        valkey.url if valkey else None,
        os.getpid(),
        postgres.owner_url if postgres else None,
    )
    endpoints.write(folder.path, started)
    return replace(
        settings,
        database_url=settings.database_url or started.database_url,
        owner_database_url=started.owner_database_url or settings.owner_database_url,
        redis_url=settings.redis_url or started.redis_url,
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
        return False  # the supervisor is restarting a killed database


async def _shut_down(folder: DataFolder, supervisor: Supervisor) -> None:
    endpoints.remove(folder.path)
    await asyncio.to_thread(supervisor.stop)
    await asyncio.to_thread(shutil.rmtree, folder.run / _SECRETS, ignore_errors=True)


async def _work_until(
    stop_requested: asyncio.Event, work: asyncio.Task[None], shut_down: Callable[[], Awaitable[None]]
) -> None:
    """Wait for the stop request, shut down, and raise the error of `work`, if any."""
    stop = asyncio.create_task(stop_requested.wait())
    try:
        await asyncio.wait({stop, work}, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            work.result()
            await stop
    finally:
        work.cancel()
        await shut_down()  # before waiting for `work`, which may be waiting for a process
        await asyncio.wait({work})
        stop.cancel()


@contextmanager
def _signals(supervisor: Supervisor) -> Iterator[asyncio.Event]:
    """Yield an event that the first signal sets; every further signal hurries the supervisor."""
    stop_requested = asyncio.Event()

    def on_signal(number: signal.Signals) -> None:
        if stop_requested.is_set():
            supervisor.hurry()
        else:
            log.info("stopping", signal=number.name)
        stop_requested.set()

    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield stop_requested
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def _in_thread(function: Callable[..., _T], *arguments: object) -> _T:
    """Run a blocking function in a thread; if cancelled, still wait for its end."""
    running = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise
