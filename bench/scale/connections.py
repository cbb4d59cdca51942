"""Many connections: one worker that archives over all of them, and one process that merely keeps them open."""

from __future__ import annotations

import asyncio
import base64
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from threading import Event, Thread

import psutil

from bench.archiver import running
from bench.scale.laboratory import fleet_profile
from bench.server import MASTER, PASSWORD, running_server
from muniment.demo.dovecot import Dovecot
from muniment.demo.mail import generate_addresses
from muniment.errors import Permanent
from muniment.imap import ImapSession
from muniment.mailserver import Limits
from muniment.model.login import Credentials, LoginKind
from muniment.model.profile import Access, Server
from muniment.model.run import RunState
from muniment.resources import open_resources
from muniment.secrecy import Secret
from muniment.services.profiles.submit_profile import submit_profile
from muniment.services.runs.lifecycle import show_run, start_run
from muniment.settings import PREFIX, Settings
from tests.support.principal import ADMIN

_MIB = 2**20
_SAMPLE_SECONDS = 0.1


@dataclass(frozen=True)
class Held:
    """Simultaneous connections, and the resident memory of their process in MiB: before, and at the peak."""

    connections: int
    before_mib: float
    peak_mib: float
    seconds: float


@dataclass(frozen=True)
class _Letter:
    raw: bytes
    flags: tuple[str, ...] = ()
    date: datetime = datetime(2024, 1, 1, tzinfo=UTC)


def many(mailboxes: int, large: int, large_mib: int) -> Held:
    """Archive all mailboxes concurrently in one worker; `large` of them contain a message of `large_mib` MiB."""
    with running_server() as server, tempfile.TemporaryDirectory(prefix="muniment-scale-") as folder:
        Path(folder).chmod(0o755)
        addresses = generate_addresses(mailboxes)
        for number, address in enumerate(addresses):
            server.add_user(address, "nobody uses it")
            server.load(address, {("INBOX",): _letters(number, large_mib if number < large else 0)})
        data = Path(folder) / "data"
        environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        environ["MUNIMENT_DATA"] = str(data)
        with running(environ, Path(folder) / "up.log", mailboxes, 1) as pid:
            settings = Settings.from_environment({"MUNIMENT_DATA": str(data)})
            return asyncio.run(_archive(settings, server, addresses, _worker(pid)))


def _letters(seed: int, large_mib: int) -> Iterator[_Letter]:
    rng = Random(seed)
    for number in range(50):
        names = f"From: a@example.com\r\nTo: b{seed}@example.com\r\n"
        head = f"{names}Message-ID: <{seed}.{number}@x>\r\nSubject: {number}\r\n\r\n"
        yield _Letter(head.encode() + base64.encodebytes(rng.randbytes(30_000)))
    if large_mib:
        head = (
            f"From: a@example.com\r\nTo: b{seed}@example.com\r\nMessage-ID: <{seed}.large@x>\r\nSubject: large\r\n\r\n"
        )
        yield _Letter(head.encode() + base64.encodebytes(rng.randbytes(large_mib * _MIB * 3 // 4)))


def _worker(up: int) -> psutil.Process:
    for child in psutil.Process(up).children():
        if "archive" in child.cmdline():
            return child
    raise Permanent("there is no archive worker")


async def _archive(settings: Settings, server: Dovecot, addresses: list[str], worker: psutil.Process) -> Held:
    async with open_resources(settings, connections=2) as resources:
        profile = fleet_profile("many", addresses, server.host, server.port)
        await submit_profile(ADMIN, resources, profile)
        with _peak(worker) as peak:
            before = peak[0]
            began = time.monotonic()
            run_id = await start_run(ADMIN, resources, "many")
            while not (run := (await show_run(ADMIN, resources, run_id)).run).state.is_final:  # noqa: ASYNC110 - it ends in another process
                await asyncio.sleep(_SAMPLE_SECONDS)
            seconds = time.monotonic() - began
    if run.state is not RunState.SUCCEEDED:
        raise Permanent(f"the run {run.state}")
    return Held(len(addresses), before / _MIB, peak[0] / _MIB, seconds)


async def idle(connections: int) -> Held:
    """Open `connections` sessions from here, each with a folder selected and occasional fetches, and hold them."""
    with running_server() as server, tempfile.TemporaryDirectory(prefix="muniment-scale-") as folder:
        address = "idle@example.com"
        server.add_user(address, "nobody uses it")
        server.load(address, {("INBOX",): _letters(1, 0)})
        limits = Limits(500, 8 * _MIB, 4 * _MIB, 2048 * _MIB, Path(folder))
        there = Server(server.host, server.port, Access.IMAP, timeout_seconds=120)
        who = Credentials(LoginKind.PLAIN_AUTHZID, MASTER, Secret(PASSWORD), address)
        process = psutil.Process()
        began = time.monotonic()
        with _peak(process) as peak:
            before = peak[0]
            # The first one alone: Dovecot may drop concurrent logins while it creates the files of a new mailbox.
            sessions = [await _open(there, who, limits)]
            for start in range(1, connections, 20):
                some = range(start, min(start + 20, connections))
                sessions += await asyncio.gather(*(_open(there, who, limits) for _ in some))
            for _ in range(2):
                for session in sessions:
                    async for message in session.fetch([1]):
                        if message.raw is not None:
                            message.raw.close()
            seconds = time.monotonic() - began
        for session in sessions:
            session.abort()
        return Held(len(sessions), before / _MIB, peak[0] / _MIB, seconds)


async def _open(server: Server, who: Credentials, limits: Limits) -> ImapSession:
    session = await ImapSession.open(server, who, limits)
    for folder in await session.list_folders():
        if folder.path == ("INBOX",):
            await session.examine(folder)
    return session


@contextmanager
def _peak(process: psutil.Process) -> Iterator[list[int]]:
    """Yield a one-element list with the largest resident size of the process so far, in bytes."""
    peak, over = [process.memory_info().rss], Event()

    def sample() -> None:
        while not over.wait(_SAMPLE_SECONDS):
            peak[0] = max(peak[0], process.memory_info().rss)

    thread = Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()
