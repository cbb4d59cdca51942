"""`muniment worker`, `scheduler` and `flower`: one process each, for operators who scale them on their own.

Thin on purpose: they become the celery command that they print, so that whoever outgrows them knows what to run.
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


@click.command("worker")
@click.option(
    "--queue",
    type=click.Choice([queue.value for queue in Queue]),
    default=Queue.ARCHIVE.value,
    show_default=True,
    help="archive: fetch mail. index: make it searchable.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    metavar="N",
    help="Mailboxes or index processes at once. Default: MUNIMENT_ARCHIVE_CONCURRENCY or MUNIMENT_INDEX_CONCURRENCY.",
)
def worker(queue: str, concurrency: int | None) -> NoReturn:
    """Run one worker in the foreground; start as many as you like, on as many machines, with the same key file."""
    found = settings()
    more = {} if Queue(queue) is Queue.ARCHIVE else {FOLDER_VARIABLE: _children_folder(found)}
    _become(worker_command(found, Queue(queue), concurrency, os.getpid()), found, more)


@click.command("scheduler")
def scheduler() -> NoReturn:
    """Run the scheduler in the foreground; two of them do no harm."""
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
    help="Where it listens.",
)
def flower(port: int | None) -> NoReturn:
    """Run Flower, the web page that shows workers and tasks; it asks for a password.

    User: MUNIMENT_FLOWER_USER. Password: MUNIMENT_FLOWER_PASSWORD_FILE, or the file flower.password
    in the data folder, made on first use.
    """
    found = settings()
    _become(flower_command(port or found.flower_port), found)


def worker_command(found: Settings, queue: Queue, concurrency: int | None, pid: int) -> list[str]:
    """Return celery's arguments for a worker of a queue; the process id keeps its name unique on its machine."""
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
    """Make the folder where the processes of the pool leave their metrics; forget those of workers that are gone."""
    parent = found.data / "run" / "metrics-of-workers"
    for old in parent.glob("[0-9]*"):
        if not psutil.pid_exists(int(old.name)):
            shutil.rmtree(old, ignore_errors=True)
    folder = parent / str(os.getpid())
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return str(folder)


def _become(arguments: list[str], found: Settings, more: Mapping[str, str] | None = None) -> NoReturn:
    """Replace this process by celery: signals and exit code are then its own; `more` joins its environment."""
    endpoints.resolve(found)  # says in one line what celery would say in fifty
    more = more or {}
    click.echo(f"running: {''.join(f'{n}={v} ' for n, v in more.items())}celery {shlex.join(arguments)}", err=True)
    sys.stdout.flush()
    # All else it reads from the same environment.
    environ = {**FRUGAL_ALLOCATOR, **os.environ, "MUNIMENT_DATA": str(found.data), **more}
    os.execve(sys.executable, [sys.executable, "-m", "celery", *arguments], environ)
