"""One supervised process: how it is started, watched, told to stop, and where its output goes."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedReader
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import cast

from muniment.embedded.account import Account

#: In the environment of every supervised process: the data folder. Not a `MUNIMENT_…` name, these are settings.
MARK = "SUPERVISED_BY_MUNIMENT"

_LOG_BYTES = 10 * 1024 * 1024
_LOG_FILES = 3
_TAIL_LINES = 40
_LINE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Step:
    """One step of stopping a process: a signal, and how long to wait for its effect."""

    signal: signal.Signals
    seconds: float


def _nothing() -> None:
    pass


def _always() -> bool:
    return True


def _no_mending(_tail: list[str]) -> None:
    pass


@dataclass(frozen=True)
class Program:
    """A process to keep running.

    `rank`: the highest stops first, equal ones together. `stop`: tried in order, then SIGKILL for the
    whole process group. `death_signal`: what it gets when the supervisor itself is killed.
    `tidy` runs before every start and after the last stop, `answers` tells whether it is ready, `mend` is
    given the last lines of output when it ended before it was.
    """

    name: str
    argv: tuple[str, ...]
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    rank: int = 0
    stop: tuple[Step, ...] = (Step(signal.SIGTERM, 30.0),)
    death_signal: signal.Signals = signal.SIGKILL
    account: Account | None = None
    tidy: Callable[[], None] = _nothing
    answers: Callable[[], bool] = _always
    mend: Callable[[list[str]], None] = _no_mending
    start_seconds: float = 60.0


def command(argv: tuple[str, ...], account: Account | None, death_signal: signal.Signals = signal.SIGKILL) -> list[str]:
    """Return `argv` wrapped so that it runs under `account` and dies with this process."""
    orders = {
        "parent": os.getpid(),
        "death_signal": int(death_signal),
        "account": [account.uid, account.gid] if account else None,
    }
    launcher = str(Path(__file__).with_name("launch.py"))
    return [sys.executable, "-I", "-S", launcher, json.dumps(orders), *argv]


class Child:
    """A running process, the leader of its own session; starts with the constructor.

    It dies with the *thread* that made it (that is how Linux counts parents), so the maker must outlive it.
    """

    def __init__(self, program: Program, log_file: Path) -> None:
        self._lock = threading.Lock()
        self.ended = threading.Event()
        self.log_file = log_file
        self._output = _Output(log_file)
        self._process = subprocess.Popen(
            command(program.argv, program.account, program.death_signal),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=program.folder,
            env=dict(program.env),
            start_new_session=True,
        )
        self.pid = self._process.pid
        pipe = cast("BufferedReader", self._process.stdout)
        self._pump = threading.Thread(
            target=self._output.pump, args=(pipe,), daemon=True, name=f"{program.name} output"
        )
        self._pump.start()
        threading.Thread(target=self._reap, daemon=True, name=f"{program.name} exit").start()

    def tail(self) -> list[str]:
        """Return its last lines of output."""
        if self.ended.is_set():
            self._pump.join(1.0)  # what it said last may still be in the pipe
        return list(self._output.tail)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process itself, if it still runs."""
        with self._lock:
            if not self.ended.is_set():
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL to its whole process group, if it still runs."""
        with self._lock:
            if not self.ended.is_set():
                os.killpg(self.pid, signal.SIGKILL)

    @property
    def was_killed(self) -> bool:
        """Whether a signal ended it."""
        return (self._process.returncode or 0) < 0

    def verdict(self) -> str:
        """Say how it ended, in words."""
        code = self._process.returncode
        if code is None:
            return "still running"
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    def _reap(self) -> None:
        # Not reaped yet, the process still owns its number: no stranger can be hit by what follows.
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)  # e.g. the pool of a worker whose main process was killed
            self._process.wait()
            self.ended.set()


class _Output:
    """The output of a process: a log file rotated by size, and the last lines in memory."""

    def __init__(self, path: Path) -> None:
        self.tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._file = _LogFile(path, maxBytes=_LOG_BYTES, backupCount=_LOG_FILES, encoding="utf-8", delay=True)

    def pump(self, pipe: BufferedReader) -> None:
        with pipe:
            while line := pipe.readline(_LINE_BYTES):
                text = line.decode("utf-8", "replace").rstrip()
                self.tail.append(text)
                self._file.handle(logging.makeLogRecord({"msg": text}))
        self._file.close()


class _LogFile(RotatingFileHandler):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        """Lose the line: a full disk must not stop the pump, or the process would stand still at its next line."""

    def close(self) -> None:
        """Close the file even where its disk does not take the last lines."""
        with suppress(OSError):
            super().close()
