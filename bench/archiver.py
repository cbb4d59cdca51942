"""Muniment as users run it: `muniment up` with durable settings and one master profile for all mailboxes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.measurement import REPEATS, Measurement, Repeat, middle
from bench.processes import PeakMemory, cpu_seconds, difference, tree
from bench.server import MASTER, PASSWORD, commands, since
from bench.server import cpu as server_cpu
from bench.workload import Source
from muniment.db import status
from muniment.demo.dovecot import Dovecot
from muniment.errors import Permanent
from muniment.model.folder_scope import EVERYTHING
from muniment.model.profile import Access, ProfileKind, Server
from muniment.model.run import Run, RunState
from muniment.model.server_kind import ServerKind
from muniment.resources import open_resources
from muniment.secrecy import Secret
from muniment.services.profiles.submit_profile import submit_profile
from muniment.services.resources import Resources
from muniment.services.runs.lifecycle import show_run, start_run
from muniment.settings import PREFIX, Settings
from tests.support.principal import ADMIN
from tests.support.profiles import profile_request

_READY_SECONDS = 120.0
_STOP_SECONDS = 60.0
_POLL_SECONDS = 0.1
_RUN_SECONDS = 3600.0
_PROFILE = "bench"

# Identifies the role of a child of `up` by a word of its command line.
_PARTS = (("archive worker", "archive"), ("index worker", "index"), ("scheduler", "beat"))
_SERVERS = {"postgres": "PostgreSQL", "valkey-server": "Valkey"}
_SUPERVISOR = "supervisor"


class Muniment:
    """The real system, started from an empty data folder for every measurement.

    `jobs`: total number of mailboxes archived concurrently. `processes`: archive workers. `index_later`: the index
    worker is stopped until everything is archived; because mbsync has no index, this compares archiving alone.
    """

    def __init__(self, jobs: int, *, processes: int = 1, index_later: bool = False) -> None:
        self.name = "Muniment" + (f" x{processes}" if processes > 1 else "") + (", index later" if index_later else "")
        self._jobs = jobs
        self._processes = processes
        self._index_later = index_later

    def measure(self, server: Dovecot, source: Source, folder: Path) -> Measurement:
        """Archive everything into a system below `folder`, then run again with nothing new."""
        data = folder / "data"
        environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        environ["MUNIMENT_DATA"] = str(data)
        with running(environ, folder / "up.log", self._jobs, self._processes) as pid:
            settings = Settings.from_environment({"MUNIMENT_DATA": str(data)})
            return asyncio.run(self._measure(settings, server, source, pid))

    async def _measure(self, settings: Settings, server: Dovecot, source: Source, pid: int) -> Measurement:
        async with open_resources(settings, connections=2) as resources:
            await self._submit(resources, server, source)
            held = _index_workers(pid) if self._index_later else []
            with PeakMemory(lambda: tree(pid)) as memory:
                os.sync()
                before, server_before = _cpu(pid), server_cpu(server)
                _each(held, psutil.Process.suspend)
                started = time.monotonic()
                run = await _run(resources)
                archived = difference(before, _cpu(pid))
                server_after = server_cpu(server)
                _each(held, psutil.Process.resume)
                await _searchable(resources)
                searchable = time.monotonic() - started
                total = difference(before, _cpu(pid))
            wrong = await _wrong(resources, source, run)
            repeats = [await _repeat(resources, server, pid) for _ in range(REPEATS)]
            return Measurement(
                peer=self.name,
                messages=source.messages,
                bytes=source.bytes,
                seconds=_seconds(run),
                cpu_seconds=archived,
                server_cpu_seconds=round(server_after - server_before, 2),
                peak_bytes=memory.bytes,
                repeat=middle(repeat for repeat, _ in repeats),
                mailboxes=len(source.addresses),
                searchable_seconds=searchable,
                total_cpu_seconds=round(sum(total.values()), 2),
                wrong=wrong + [problem for _, problems in repeats for problem in problems],
            )

    async def _submit(self, resources: Resources, server: Dovecot, source: Source) -> None:
        request = profile_request(
            name=_PROFILE,
            kind=ProfileKind.MASTER,
            server=Server(server.host, server.port, Access.IMAP),
            user=MASTER,
            password=Secret(PASSWORD),
            mailboxes=source.addresses,
            max_jobs=self._jobs,
            server_kind=ServerKind.parse("dovecot"),
            folders=EVERYTHING,  # the peers always archive every folder
        )
        await submit_profile(ADMIN, resources, request)


@contextmanager
def running(environ: dict[str, str], log: Path, jobs: int, processes: int) -> Iterator[int]:
    """Run `muniment up` from `ready` until it has exited cleanly; yield its process id."""
    sizes = ["--archive-processes", str(processes), "--archive-concurrency", str(jobs), "--index-concurrency", "1"]
    argv = [sys.executable, "-m", "muniment.cli", "up", *sizes]
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches only the benchmark, which then stops everything in order
        )
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while "ready" not in (lines := log.read_text(errors="replace").splitlines()):
            if process.poll() is not None or time.monotonic() > deadline:
                raise Permanent("`muniment up` did not get ready:\n" + "\n".join(lines[-10:]))
            time.sleep(_POLL_SECONDS)
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()  # its servers die with it
            process.wait()


async def _run(resources: Resources) -> Run:
    """Start a run, wait until it is finished, and return it."""
    run_id = await start_run(ADMIN, resources, _PROFILE)
    async with asyncio.timeout(_RUN_SECONDS):
        while not (run := (await show_run(ADMIN, resources, run_id)).run).state.is_final:  # noqa: ASYNC110 - it ends in another process
            await asyncio.sleep(_POLL_SECONDS)
    return run


async def _searchable(resources: Resources) -> None:
    """Wait until the outbox is empty."""
    async with asyncio.timeout(_RUN_SECONDS), resources.database.session() as session:
        while await status.outbox_depth(session):  # noqa: ASYNC110 - another process empties it
            await asyncio.sleep(_POLL_SECONDS)


async def _repeat(resources: Resources, server: Dovecot, pid: int) -> tuple[Repeat, list[str]]:
    before, asked = _cpu(pid), commands(server)
    run = await _run(resources)
    cpu = sum(difference(before, _cpu(pid)).values())
    wrong = [f"the second run archived {run.messages.seen} messages"] if run.messages.seen else []
    return Repeat(_seconds(run), round(cpu, 2), since(asked, commands(server))), wrong


async def _wrong(resources: Resources, source: Source, run: Run) -> list[str]:
    """Compare the archive with the source: both the run's own count and the rows in the tables."""
    async with resources.database.session() as session:
        totals = await status.totals(session)
        entries = await session.value("SELECT count(*) FROM entries")  # count the rows themselves
        indexed = await session.value("SELECT count(*) FROM search_documents")
    found = {"messages archived": run.messages.archived, "entries": entries, "entries added up": totals.entries}
    wrong = [f"{count} {what}, not {source.messages}" for what, count in found.items() if count != source.messages]
    if run.state is not RunState.SUCCEEDED:
        wrong.append(f"the run {run.state}")
    if indexed != totals.messages:
        wrong.append(f"{indexed} of {totals.messages} messages indexed")
    return wrong


def _seconds(run: Run) -> float:
    """Return the duration of a run by PostgreSQL's clock, which polling does not round."""
    assert run.finished is not None
    return (run.finished - run.started).total_seconds()


def _cpu(pid: int) -> dict[str, float]:
    """Return the CPU seconds that each part of the system has used so far."""
    spent = {_SUPERVISOR: cpu_seconds([psutil.Process(pid)])}
    for child in psutil.Process(pid).children():
        part = _part(child)
        spent[part] = spent.get(part, 0.0) + cpu_seconds(tree(child.pid))
    return spent


def _part(process: psutil.Process) -> str:
    words = process.cmdline()
    program = Path(words[0]).name if words else ""
    if program in _SERVERS:
        return _SERVERS[program]
    return next((part for part, word in _PARTS if word in words), _SUPERVISOR)


def _index_workers(pid: int) -> list[psutil.Process]:
    return [
        process
        for child in psutil.Process(pid).children()
        if _part(child) == "index worker"
        for process in tree(child.pid)
    ]


def _each(processes: list[psutil.Process], do: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        do(process)
