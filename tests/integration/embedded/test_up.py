from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import psutil
import pytest

from muniment.embedded import endpoints
from muniment.embedded.child import MARK
from tests.support.supervised import gone
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[3]
SLEEP = "import time; time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
CHILDREN = [("worker", 2, 5.0, SLEEP), ("scheduler", 3, 5.0, SLEEP)]

Start = Callable[..., "Up"]


class Up:
    """A `muniment up` with stand-in workers, in a separate process."""

    def __init__(self, data: Path, children: Sequence[tuple[str, int, float, str]], env: dict[str, str]) -> None:
        self.data = data.resolve()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.embedded_up", str(data), json.dumps(children)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, **env},
        )

    def ready(self) -> Up:
        """Wait for the line `ready`."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line == "ready\n", self.process.stderr and self.process.stderr.read()
        return self

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.end()[0]

    def end(self) -> tuple[int, str, str]:
        """Wait for the exit; return exit code, standard output and standard error."""
        output, complaints = self.process.communicate(timeout=60)
        return self.process.returncode, output, complaints

    def processes(self) -> list[psutil.Process]:
        """Return every process that belongs to the data folder, by its mark, directory or command line."""
        return [process for process in psutil.process_iter() if self._belongs(process)]

    def _belongs(self, process: psutil.Process) -> bool:
        try:
            return process.pid not in {self.process.pid, os.getpid()} and (
                process.environ().get(MARK) == str(self.data)
                or process.cwd().startswith(str(self.data))
                or any(str(self.data) in argument for argument in process.cmdline())
            )
        except psutil.Error:
            return False

    def child(self, words: str) -> psutil.Process:
        """Return the only direct child whose command line contains `words`."""

        def find() -> psutil.Process | None:
            for process in psutil.Process(self.process.pid).children():
                try:
                    if words in " ".join(process.cmdline()) and "launch.py" not in " ".join(process.cmdline()):
                        return process
                except psutil.Error:
                    continue
            return None

        return wait_until(find, f"a child with {words!r}")  # type: ignore[return-value]

    def starts(self) -> int:
        """Return how often this data folder was started, as recorded in the database."""
        published = endpoints.read(self.data)
        assert published is not None
        assert published.database_url is not None
        return int(asyncio.run(_ask(published.database_url.reveal(), "SELECT count(*) FROM starts")))


async def _ask(url: str, query: str) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.fixture
def start(made: Path) -> Iterator[Start]:
    running: list[Up] = []

    def begin(data: Path | None = None, children: Sequence[tuple[str, int, float, str]] = CHILDREN, **env: str) -> Up:
        running.append(Up(data or made, children, env))
        return running[-1]

    yield begin
    for up in running:
        up.process.kill()
        up.process.communicate()
        for process in up.processes():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                pass


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_stops_everything(start: Start, number: signal.Signals) -> None:
    """Each of the usual signals ends `up` with code 0, without leftover processes or endpoints."""
    up = start().ready()
    assert len(up.processes()) > 4

    assert up.stop(number) == 0

    assert up.processes() == []
    assert endpoints.read(up.data) is None


def test_second_start_finds_the_data_of_the_first(start: Start) -> None:
    """The rows and the key are the same after a clean stop and another start."""
    up = start().ready()
    key = (up.data / "secret.key").read_bytes()
    assert up.stop() == 0

    again = start().ready()

    assert again.starts() == 2
    assert (again.data / "secret.key").read_bytes() == key


def test_second_instance_is_refused(start: Start) -> None:
    """A second `up` on the same data names the running process, exits with an error, and disturbs nothing."""
    first = start().ready()

    code, output, complaints = start().end()

    assert (code, output) == (1, "")
    assert f"Conflict: Muniment is already running on {first.data} (process {first.process.pid})" in complaints
    assert first.starts() == 1


def test_killed_up_takes_everything_with_it_and_starts_again(start: Start) -> None:
    """After repeated SIGKILL of `up` itself, the next start needs no help and has all rows."""
    for round_number in range(1, 4):
        up = start().ready()
        assert up.starts() == round_number
        up.process.kill()
        up.end()

    last = start().ready()
    assert last.starts() == 4
    assert last.stop() == 0
    assert last.processes() == []


def test_worker_that_outlives_a_killed_up_is_ended_by_the_next(start: Start) -> None:
    """A process of a worker's pool that escapes every other mechanism does not survive the next start."""
    escape = (
        "import os, subprocess, sys, time;"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(601)'], start_new_session=True);"
        "time.sleep(600)"
    )
    up = start(children=[("worker", 2, 1.0, escape)]).ready()

    def escaped() -> list[psutil.Process]:
        return [process for process in up.processes() if process.cmdline()[-1:] == ["import time; time.sleep(601)"]]

    (survivor,) = wait_until(escaped, "the escaped process")
    up.process.kill()
    up.end()
    assert survivor.is_running()

    start(children=[]).ready()

    wait_until(lambda: gone(survivor.pid), "its end")


@pytest.mark.parametrize("words", ["bin/postgres", "valkey-server", SLEEP])
def test_whatever_is_killed_comes_back(start: Start, words: str) -> None:
    """PostgreSQL, Valkey and workers are restarted when they are killed, and `up` still stops cleanly."""
    up = start().ready()
    killed = up.child(words)

    killed.kill()

    killed.wait(60)
    assert up.child(words).pid != killed.pid
    assert up.stop() == 0
    assert up.processes() == []


def test_child_that_ignores_the_signal_is_killed(start: Start) -> None:
    """A worker that ignores SIGTERM is killed after its timeout; then the databases stop cleanly."""
    up = start(children=[("worker", 2, 0.5, STUBBORN)]).ready()
    up.child(STUBBORN)

    assert up.stop() == 0

    assert up.processes() == []
    assert "database system is shut down" in (up.data / "log" / "postgres.log").read_text()


def test_second_signal_hurries(start: Start) -> None:
    """A second signal kills a worker at once that would otherwise be waited for ten minutes."""
    up = start(children=[("worker", 2, 600.0, STUBBORN)]).ready()
    up.child(STUBBORN)
    up.process.send_signal(signal.SIGINT)
    wait_until(lambda: endpoints.read(up.data) is None, "the stop to have begun")

    def hurried() -> bool:
        up.process.send_signal(signal.SIGINT)
        return up.process.poll() is not None

    wait_until(hurried, "the end")
    assert up.processes() == []


def test_worker_that_cannot_start_ends_up(start: Start) -> None:
    """A worker that exits at once, repeatedly, is an error that quotes it; everything is stopped again."""
    up = start(
        children=[("worker", 2, 1.0, "raise SystemExit('Error: no such module')"), *CHILDREN[1:]], NEVER_READY="1"
    )

    code, output, complaints = up.end()

    assert (code, output) == (1, "")
    assert "worker does not start: exit status 1: Error: no such module" in complaints
    assert up.processes() == []


def test_signal_during_the_first_start(start: Start, home: Path) -> None:
    """A signal during the creation of the cluster stops cleanly, and the next start completes it."""
    up = start(home / "new")
    wait_until((up.data / "postgres").exists, "the start to have begun")

    assert up.stop() == 0

    assert up.processes() == []
    assert start(home / "new").ready().starts() == 1


def test_kill_during_the_first_start(start: Start, home: Path) -> None:
    """After SIGKILL during the creation of the cluster, the next start succeeds."""
    up = start(home / "new")
    wait_until((up.data / "postgres" / "cluster.new").exists, "initdb to have begun")
    up.process.kill()
    up.end()

    assert start(home / "new").ready().starts() == 1


@pytest.mark.parametrize("name", ["x" * 150, "mit Leerzeichen und Ümläuten & 100 %"])
def test_awkward_data_folder(start: Start, home: Path, name: str) -> None:
    """A path that is too long for a socket, or contains characters that need quoting, works like any other."""
    up = start(home / name).ready()

    assert up.starts() == 1
    assert up.stop() == 0
    assert up.processes() == []


def test_external_servers_are_used_and_not_published(start: Start, home: Path) -> None:
    """With both URLs set, no server is started, and the URLs are not written to disk."""
    own = start().ready()
    published = endpoints.read(own.data)
    assert published is not None
    assert published.database_url is not None
    assert published.redis_url is not None
    owner = endpoints.owner_url(own.data)
    assert owner is not None

    up = start(
        home / "workers",
        MUNIMENT_DATABASE_URL=published.database_url.reveal(),
        MUNIMENT_OWNER_DATABASE_URL=owner.reveal(),
        MUNIMENT_REDIS_URL=published.redis_url.reveal(),
    ).ready()

    assert own.starts() == 2  # `prepare` ran on the configured server
    assert sorted(process.name() for process in psutil.Process(up.process.pid).children()) == ["python"] * 2
    published = endpoints.read(up.data)
    assert published is not None
    assert (published.database_url, published.redis_url) == (None, None)
    assert endpoints.owner_url(up.data) is None
    assert up.stop() == 0
    assert own.starts() == 2


def test_workers_learn_the_urls(start: Start) -> None:
    """A worker's environment names the files with the URLs of the embedded servers, those in the endpoints."""
    urls = "[open(os.environ[f'MUNIMENT_{name}_URL_FILE']).read() for name in ('DATABASE', 'REDIS')]"
    code = f"import os, time; print(*{urls}, flush=True); time.sleep(600)"
    up = start(children=[("worker", 2, 5.0, code)]).ready()
    published = endpoints.read(up.data)
    assert published is not None
    assert published.database_url is not None
    assert published.redis_url is not None

    log = up.data / "log" / "worker.log"
    text = wait_until(lambda: log.exists() and log.read_text(), "the worker's first line")
    assert isinstance(text, str)

    assert text.split() == [published.database_url.reveal(), published.redis_url.reveal()]
