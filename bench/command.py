"""A peer that is a command: run for all mailboxes, measured, then run again when nothing is new."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.measurement import REPEATS, Measurement, Repeat, middle
from bench.processes import PeakMemory, tree
from bench.server import commands, since
from bench.server import cpu as server_cpu
from bench.workload import Source
from muniment.demo.dovecot import Dovecot
from muniment.errors import Misconfigured, Permanent

# mbsync waits until the second in which a folder changed is over; an hourly run never has to.
_SETTLE_SECONDS = 2.0


@dataclass(frozen=True)
class Plan:
    """The command lines that archive everything, and where they store each message as a file."""

    argvs: Sequence[Sequence[str]]
    mail: Path
    pattern: str


class CommandPeer(ABC):
    """Runs the commands of a plan, up to `jobs` of them concurrently.

    `stumbles`: the program exits with an error if it could not archive some mail, which is counted as left out.
    """

    def __init__(self, name: str, program: str, *, jobs: int = 1, stumbles: bool = False) -> None:
        self.name = name
        self.program = program
        self._jobs = jobs
        self._stumbles = stumbles

    @abstractmethod
    def plan(self, server: Dovecot, source: Source, folder: Path) -> Plan:
        """Write the files that the program needs below the empty `folder`."""

    def measure(self, server: Dovecot, source: Source, folder: Path) -> Measurement:
        """Archive everything into `folder`, then run again with nothing new."""
        plan = self.plan(server, source, folder)
        server_before = server_cpu(server)
        with PeakMemory(lambda: tree(os.getpid())[1:]) as memory:
            seconds, cpu = self._run(plan.argvs)
        server_after = server_cpu(server)
        time.sleep(_SETTLE_SECONDS)
        repeat = middle([self._repeat(server, plan) for _ in range(REPEATS)])
        found = sum(1 for file in plan.mail.rglob(plan.pattern) if file.is_file())
        return Measurement(
            peer=self.name,
            messages=source.messages,
            bytes=source.bytes,
            seconds=seconds,
            cpu_seconds={self.name: cpu},
            server_cpu_seconds=round(server_after - server_before, 2),
            peak_bytes=memory.bytes,
            repeat=repeat,
            mailboxes=len(source.addresses),
            left_out=source.messages - found,
        )

    def _repeat(self, server: Dovecot, plan: Plan) -> Repeat:
        before = commands(server)
        seconds, cpu = self._run(plan.argvs)
        return Repeat(seconds, cpu, since(before, commands(server)))

    def _run(self, argvs: Sequence[Sequence[str]]) -> tuple[float, float]:
        """Run the commands, up to `jobs` at a time; return wall and CPU seconds."""
        started = time.monotonic()
        with ThreadPoolExecutor(self._jobs) as pool:
            cpu = sum(pool.map(self._run_one, argvs))
        return time.monotonic() - started, round(cpu, 2)

    def _run_one(self, argv: Sequence[str]) -> float:
        with subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process:
            assert process.stdout is not None
            said = process.stdout.read().decode(errors="replace")
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode and not self._stumbles:
            raise Permanent(f"{argv[0]} ended with {process.returncode}: {said[-500:]}")
        return usage.ru_utime + usage.ru_stime


def find(program: str, package: str) -> str:
    """Return the path of a program; Misconfigured says what to install."""
    found = shutil.which(program)
    if found is None:
        raise Misconfigured(f"{program} is not installed", hint=f"On Debian or Ubuntu: apt-get install {package}")
    return found


def box_names(source: Source) -> list[str]:
    """Return a simple name for each mailbox, in order."""
    return [f"box{number:04}" for number in range(len(source.addresses))]
