"""The whole system as real processes: `muniment up` on its own data folder, and the roles of its processes."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from pathlib import Path

import psutil

from muniment.resources import open_resources
from muniment.services.resources import Resources
from muniment.settings import Settings
from tests.support.processes import Running
from tests.support.waiting import wait_until

#: Settings that create many slices and transactions from little mail, and detect silent workers early.
HASTY: Mapping[str, str] = {
    "MUNIMENT_LEASE_SECONDS": "5",
    "MUNIMENT_TICK_SECONDS": "0.5",
    "MUNIMENT_SLICE_SECONDS": "2",
    "MUNIMENT_BATCH_MESSAGES": "5",
    "MUNIMENT_INDEX_BATCH": "20",
    "MUNIMENT_RETRY_FIRST_SECONDS": "0.5",
    "MUNIMENT_RETRY_CAP_SECONDS": "2",
    "MUNIMENT_ARCHIVE_CONCURRENCY": "4",
}

_TAIL_BYTES = 6000


class Role(StrEnum):
    """The kinds of processes that tests can kill."""

    ARCHIVE = "archive worker"
    INDEX = "index worker"
    INDEX_CHILD = "process of the index worker's pool"
    SCHEDULER = "scheduler"
    VALKEY = "valkey"
    POSTGRES = "postgres"
    BACKEND = "backend of postgres"


# Identified by words of the command lines of direct children of `up`.
_WORDS: dict[Role, tuple[str, ...]] = {
    Role.ARCHIVE: ("worker", "-Q", "archive"),
    Role.INDEX: ("worker", "-Q", "index"),
    Role.SCHEDULER: ("scheduler", "beat"),
}
_BINARIES = {Role.VALKEY: "valkey-server", Role.POSTGRES: "postgres"}


class System:
    """`muniment up` with short intervals. `start`, `stop` and `kill_up` can be repeated; `end` stops everything."""

    def __init__(self, data: Path, **environ: str) -> None:
        self.data = data
        self.environ = {**HASTY, **environ}
        self.settings = Settings.from_environment({**self.environ, "MUNIMENT_DATA": str(data)})
        self._up: Running | None = None

    @property
    def up(self) -> Running:
        """The running `up` command."""
        assert self._up is not None
        return self._up

    def start(self) -> None:
        """Start `up` and return once it is ready."""
        self.launch().wait_for_line("ready")

    def launch(self) -> Running:
        """Start `up` without waiting for it."""
        self._up = Running("up", data=self.data, environ=self.environ).__enter__()
        return self._up

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        return self.up.stop(number)

    def kill_up(self) -> None:
        """Kill only `up` itself with SIGKILL."""
        self.up.process.kill()
        self.up.wait(60)

    @property
    def client(self) -> dict[str, str]:
        """The environment for further processes on the same data."""
        return {**self.environ, "MUNIMENT_DATA": str(self.data)}

    def end(self) -> None:
        """Kill whatever is still running."""
        if self._up is not None:
            self._up.kill()

    @asynccontextmanager
    async def resources(self) -> AsyncIterator[Resources]:
        """Open the resources from this process, as the command line does."""
        async with open_resources(self.settings, connections=4) as resources:
            yield resources

    def processes(self, role: Role) -> list[psutil.Process]:
        """Return the running processes of a role; between a crash and the restart there is none."""
        if role is Role.INDEX_CHILD:
            return [child for main in self.processes(Role.INDEX) for child in _children(main)]
        if role is Role.BACKEND:
            children = [child for main in self.processes(Role.POSTGRES) for child in _children(main)]
            return [
                child for child in children if _line(child)[:1] and _line(child)[0].startswith("postgres: muniment")
            ]
        return [child for child in _children(psutil.Process(self.up.pid)) if _plays(child, role)]

    def process(self, role: Role) -> psutil.Process:
        """Return the first process of a role, waiting until there is one."""
        return wait_until(lambda: self.processes(role), role)[0]

    def told(self) -> str:
        """Return the ends of all logs."""
        parts = [self.up.stdout, self.up.stderr] if self._up else []
        for file in sorted((self.data / "log").glob("*.log")):
            text = file.read_text(errors="replace")[-_TAIL_BYTES:]
            parts.append(f"--- {file.name}\n{text}")
        return "\n".join(parts)


@contextmanager
def system(home: Path | None = None, /, **environ: str) -> Iterator[System]:
    """Yield a system, not started, on a data folder in `home` (default: temporary); finally print its logs."""
    # Directly below the system's temporary folder: pytest's own paths are too long for a socket.
    folder = Path(tempfile.mkdtemp(prefix="muniment-test-", dir=home))
    made = System(folder / "data", **environ)
    try:
        yield made
    finally:
        made.end()
        sys.stderr.write(made.told())  # pytest shows it if the test failed
        shutil.rmtree(folder, ignore_errors=True)


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [child for child in process.children() if child.status() != psutil.STATUS_ZOMBIE]
    except psutil.Error:
        return []


def _line(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return ""


def _plays(process: psutil.Process, role: Role) -> bool:
    words = _line(process)
    if not words or any(word.endswith("launch.py") for word in words):
        return False  # a forked child that has not yet become a program
    if role in _BINARIES:
        return _name(process) == _BINARIES[role]  # Valkey overwrites its command line
    return all(word in words for word in _WORDS[role])


def celery(*arguments: str, environ: Mapping[str, str]) -> Running:
    """Return `celery ARGUMENTS…` as operators type it, to be used with `with`, which stops only that process."""
    return Running(*arguments, program=[str(Path(sys.executable).with_name("celery"))], environ=environ)
