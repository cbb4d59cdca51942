"""`muniment worker`, `scheduler` and `flower`: one process each, for operators who scale them separately.

These commands are thin on purpose: each prints the celery command line and then executes it, so that operators can
run celery directly.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from typing import NoReturn

import click
import psutil

from muniment.cli.kit.connect import settings
from muniment.embedded import endpoints
from muniment.jobs import Queue
from muniment.metrics import FOLDER_VARIABLE
from muniment.process import FRUGAL_ALLOCATOR
from muniment.settings import Settings

_POOLS = {Queue.ARCHIVE: "threads", Queue.INDEX: "prefork"}

#: What no worker needs, and what Flower does not need: secrets that a process does not have cannot leak from it.
_OF_ADMINISTRATORS = {"MUNIMENT_OWNER_DATABASE_URL", "MUNIMENT_ADMIN_DATABASE_URL"}
_OF_WORKERS = {"MUNIMENT_DATABASE_URL", "MUNIMENT_OPENSEARCH_URL", "MUNIMENT_SECRET_KEY"}


@click.command("worker")
@click.option(
    "--queue",
    type=click.Choice([queue.value for queue in Queue]),
    default=Queue.ARCHIVE.value,
    show_default=True,
    help="archive: fetch mail. index: make mail searchable.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    metavar="N",
    help="archive: mailboxes archived at the same time. index: number of processes. Default: "
    "MUNIMENT_ARCHIVE_CONCURRENCY or MUNIMENT_INDEX_CONCURRENCY.",
)
def worker(queue: str, concurrency: int | None) -> NoReturn:
    """Run one worker in the foreground.

    You can run any number of workers on any number of machines. Archive workers need the key file, index workers do
    not.
    """
    found = settings()
    more = {} if Queue(queue) is Queue.ARCHIVE else {FOLDER_VARIABLE: _children_folder(found)}
    _become(worker_command(found, Queue(queue), concurrency, os.getpid()), found, more)


@click.command("scheduler")
def scheduler() -> NoReturn:
    """Run the scheduler in the foreground. Running two of them is harmless."""
    found = settings()
    _become(scheduler_command(found), found)


@click.command("flower")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    metavar="PORT",
    envvar="MUNIMENT_FLOWER_PORT",
    show_envvar=True,
    show_default="5555",
    help="Port to listen on.",
)
def flower(port: int | None) -> NoReturn:
    """Run Flower, a password-protected web monitor for workers and tasks.

    User name: MUNIMENT_FLOWER_USER. Password: in MUNIMENT_FLOWER_PASSWORD_FILE, or in the file flower.password in
    the data folder, which is created on first use.
    """
    found = settings()
    _become(flower_command(port or found.flower_port), found, database=False)


def worker_command(found: Settings, queue: Queue, concurrency: int | None, pid: int) -> list[str]:
    """Return celery's arguments for a worker of a queue; `pid` makes the worker's name unique on its machine."""
    default = found.archive_concurrency if queue is Queue.ARCHIVE else found.index_concurrency
    return [
        *("-A", "workers", "worker", "-Q", queue.value, f"--pool={_POOLS[queue]}", "-c", str(concurrency or default)),
        *("-E", f"--hostname={queue}.{pid}@%h", f"--loglevel={found.log_level}"),
    ]


def scheduler_command(found: Settings) -> list[str]:
    """Return celery's arguments for the scheduler."""
    return ["-A", "scheduler", "beat", f"--loglevel={found.log_level}"]


def flower_command(port: int) -> list[str]:
    """Return celery's arguments for Flower."""
    return ["-A", "workers", "flower", f"--port={port}"]


def _children_folder(found: Settings) -> str:
    """Create the folder for the metrics of the pool's processes; delete the folders of workers that have exited."""
    parent = found.data / "run" / "metrics-of-workers"
    for old in parent.glob("[0-9]*"):
        if not psutil.pid_exists(int(old.name)):
            shutil.rmtree(old, ignore_errors=True)
    folder = parent / str(os.getpid())
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return str(folder)


def _become(
    arguments: list[str], found: Settings, more: Mapping[str, str] | None = None, *, database: bool = True
) -> NoReturn:
    """Replace this process with celery, which handles signals and sets the exit code.

    `more`: extra environment. `database`: whether the process uses PostgreSQL.
    """
    # Fails with one line where celery would print fifty.
    endpoints.resolve(found) if database else endpoints.resolve_broker(found)
    more = more or {}
    unwanted = _OF_ADMINISTRATORS if database else _OF_ADMINISTRATORS | _OF_WORKERS
    click.echo(f"running: {''.join(f'{n}={v} ' for n, v in more.items())}celery {shlex.join(arguments)}", err=True)
    sys.stdout.flush()
    # Celery reads all other settings from the same environment.
    inherited = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in unwanted}
    environ = {**FRUGAL_ALLOCATOR, **inherited, "MUNIMENT_DATA": str(found.data), **more}
    os.execve(sys.executable, [sys.executable, "-m", "celery", *arguments], environ)
