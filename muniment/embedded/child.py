"""One supervised process: starts, monitors and stops it, and collects its output."""

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

#: Environment variable of every supervised process with the data folder. Names with `MUNIMENT_` are for settings.
MARK = "SUPERVISED_BY_MUNIMENT"

_LOG_BYTES = 10 * 1024 * 1024
_LOG_FILES = 3
_TAIL_LINES = 40
_LINE_BYTES = 64 * 1024


@dataclass(frozen=True)
class Step:
    """A step in stopping a process: a signal, and how long to wait for the exit."""

    signal: signal.Signals
    seconds: float


def _nothing() -> None:
    pass


def _always() -> bool:
    return True


def _no_repair(_tail: list[str]) -> None:
    pass


@dataclass(frozen=True)
class Program:
    """A process to keep running.

    `rank`: programs with the highest rank stop first, those with equal rank together. `stop`: steps to try in
    order before SIGKILL for the whole process group. `death_signal`: sent if the supervisor itself is killed.
    `tidy` runs before every start and after the last stop. `answers` returns whether the program is ready.
    `repair` receives the last lines of output if the program exits before it is ready.
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
    repair: Callable[[list[str]], None] = _no_repair
    start_seconds: float = 60.0


def command(argv: tuple[str, ...], account: Account | None, death_signal: signal.Signals = signal.SIGKILL) -> list[str]:
    """Return `argv` wrapped so that it runs as `account` and dies with this process."""
    options = {
        "parent": os.getpid(),
        "death_signal": int(death_signal),
        "account": [account.uid, account.gid] if account else None,
    }
    launcher = str(Path(__file__).with_name("launch.py"))
    return [sys.executable, "-I", "-S", launcher, json.dumps(options), *argv]


class Child:
    """A running process, the leader of its own session. The constructor starts it.

    It dies with the *thread* that created it (Linux sends the death signal for the parent thread), so that thread must
    outlive it.
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
        """Return the last lines of its output."""
        if self.ended.is_set():
            self._pump.join(1.0)  # the last lines may still be in the pipe
        return list(self._output.tail)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process itself if it is still running."""
        with self._lock:
            if not self.ended.is_set():
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Send SIGKILL to its whole process group if it is still running."""
        with self._lock:
            if not self.ended.is_set():
                os.killpg(self.pid, signal.SIGKILL)

    @property
    def was_killed(self) -> bool:
        """Whether a signal terminated it."""
        return (self._process.returncode or 0) < 0

    def verdict(self) -> str:
        """Describe how it ended."""
        code = self._process.returncode
        if code is None:
            return "still running"
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    def _reap(self) -> None:
        # Until the process is reaped, its id cannot be reused, so the signal below cannot hit another process.
        with suppress(ChildProcessError):
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)  # e.g. the pool of a worker whose parent was killed
            self._process.wait()
            self.ended.set()


class _Output:
    """The output of a process: a log file with rotation by size, and the last lines in memory."""

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
        """Drop the line: if a full disk stopped the pump, the process would block on its next line."""

    def close(self) -> None:
        """Close the file even if the disk refuses the last lines."""
        with suppress(OSError):
            super().close()
