"""Keeps processes running: restarts what dies, stops everything in order, leaves no orphan.

One thread per program starts it, waits until it answers, waits for its end, and starts it again after a
pause. Nothing here knows what the programs are.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby
from pathlib import Path

from muniment import log as logs
from muniment.embedded.child import MARK, Child, Program
from muniment.errors import MunimentError, Permanent
from muniment.retry import Backoff

log = logs.get(__name__)

#: A process that dies so often in a row before `settle()` is not worth another start.
HOPELESS_DEATHS = 3

_STABLE_SECONDS = 30.0  # who lived so long starts counting deaths afresh
_POLL_SECONDS = 0.02
_KILL_SECONDS = 10.0


class Supervisor:
    """Runs `Program`s whose output goes to `logs`/NAME.log; all carry the mark of the data folder `data`."""

    def __init__(self, data: Path, log_folder: Path, *, backoff: Backoff | None = None) -> None:
        self._data = data
        self._log_folder = log_folder
        self._backoff = backoff or Backoff(first_seconds=0.2, cap_seconds=10.0)
        self._keepers: list[_Keeper] = []
        self._settled = threading.Event()
        self._hurried = 0
        self._lock = threading.Lock()
        self._stopped = False

    def start(self, program: Program) -> None:
        """Start a program and return when it answers; Permanent when it will not."""
        marked = replace(program, env={**program.env, MARK: str(self._data)})
        keeper = _Keeper(marked, self._log_folder / f"{program.name}.log", self._backoff, self._settled)
        with self._lock:
            if self._stopped:
                raise Permanent(f"{program.name} is not started: the supervisor is stopping")
            self._keepers.append(keeper)
            keeper.start()
        keeper.wait_until_answering()

    def settle(self) -> None:
        """From now on nothing is hopeless: whatever dies is started again for as long as it takes."""
        self._settled.set()

    def check(self) -> None:
        """Raise the error of a program that was given up."""
        for keeper in self._keepers:
            if keeper.error:
                raise keeper.error

    def pids(self) -> dict[str, int]:
        """Return the process id of each program that runs now, by its name."""
        return {keeper.program.name: child.pid for keeper in self._keepers if (child := keeper.child)}

    def hurry(self) -> None:
        """Cut short the wait of `stop()` for the processes it is stopping now."""
        self._hurried += 1

    def stop(self) -> None:
        """Stop all programs, the highest rank first, and return when every process is gone."""
        with self._lock:
            self._stopped = True
            keepers = sorted(self._keepers, key=lambda keeper: keeper.program.rank, reverse=True)
        # Nobody may start again while others stop.
        for keeper in keepers:
            keeper.abandon()
        for _, rank in groupby(keepers, key=lambda keeper: keeper.program.rank):
            together = list(rank)
            with ThreadPoolExecutor(len(together)) as pool:
                for _ in pool.map(lambda keeper: keeper.stop(self._hurries()), together):
                    pass

    def _hurries(self) -> Callable[[], bool]:
        """Return a function that tells, once per hurry(), that somebody lost patience."""
        seen = self._hurried

        def hurried() -> bool:
            nonlocal seen
            before, seen = seen, self._hurried
            return seen > before

        return hurried


class _Keeper:
    """Keeps one program running in a thread of its own."""

    def __init__(self, program: Program, log_file: Path, backoff: Backoff, settled: threading.Event) -> None:
        self.program = program
        self.error: MunimentError | None = None
        self.child: Child | None = None
        self._log_file = log_file
        self._backoff = backoff
        self._settled = settled
        self._lock = threading.Lock()
        self._abandoned = threading.Event()
        self._answering = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"{program.name} keeper")

    def start(self) -> None:
        self._thread.start()

    def wait_until_answering(self) -> None:
        while not self._answering.wait(_POLL_SECONDS):
            if self.error:
                raise self.error
            if not self._thread.is_alive():
                raise Permanent(f"{self.program.name} was stopped before it was ready")

    def abandon(self) -> None:
        """Let the process live, but start no other one."""
        with self._lock:
            self._abandoned.set()

    def stop(self, hurried: Callable[[], bool]) -> None:
        """Stop the process step by step; return when its whole group is gone and its place is tidy."""
        self.abandon()
        child = self.child
        if child:
            for step in self.program.stop:
                child.signal(step.signal)
                if _wait(child, step.seconds, hurried):
                    break
                log.warning("process does not stop", process=self.program.name, signal=step.signal.name)
            child.kill()
            child.ended.wait(_KILL_SECONDS)
        self._thread.join(_KILL_SECONDS)
        try:
            self.program.tidy()
        except MunimentError as error:  # the others must be stopped all the same
            log.warning("process left behind", process=self.program.name, reason=str(error))

    def _run(self) -> None:
        try:
            self._keep()
        except MunimentError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 - whatever it is, `start` and `check` raise it
            self.error = Permanent(f"{self.program.name} could not be started: {error}")
            self.error.__cause__ = error
        if self.error and not self._abandoned.is_set():
            log.error("process given up", process=self.program.name, reason=str(self.error))

    def _keep(self) -> None:
        deaths = 0
        while not self._abandoned.is_set():
            began = time.monotonic()
            reason = self._live()
            if self._abandoned.is_set():
                return
            deaths = 1 if time.monotonic() - began > _STABLE_SECONDS else deaths + 1
            if deaths >= HOPELESS_DEATHS and not self._settled.is_set():
                raise Permanent(f"{self.program.name} does not start: {reason}", hint=f"See {self._log_file}.")
            pause = self._backoff.seconds(deaths)
            log.warning("process died", process=self.program.name, reason=reason, restart_seconds=round(pause, 2))
            self._abandoned.wait(pause)

    def _live(self) -> str:
        """Run the program once, from its start to its end; return why it ended."""
        self.program.tidy()
        with self._lock:
            if self._abandoned.is_set():
                return "stopped"
            child = self.child = Child(self.program, self._log_file)
        trouble = self._wait_for_answer(child)
        child.ended.wait()
        self.child = None
        tail = child.tail()
        if trouble:
            self.program.mend(tail)
        verdict = trouble or child.verdict()
        return verdict if child.was_killed or not tail else f"{verdict}: {_telling(tail)}"

    def _wait_for_answer(self, child: Child) -> str:
        """Return nothing when the process answers, else why it will not do so any more."""
        deadline = time.monotonic() + self.program.start_seconds
        while not child.ended.wait(_POLL_SECONDS):
            if self.program.answers():
                self._answering.set()
                return ""
            if time.monotonic() > deadline:
                child.kill()
                return f"no answer within {self.program.start_seconds:g} s"
        return child.verdict()


def _wait(child: Child, seconds: float, hurried: Callable[[], bool]) -> bool:
    """Return whether the process ended within `seconds`, or before somebody lost patience."""
    deadline = time.monotonic() + seconds
    while not child.ended.wait(_POLL_SECONDS):
        if time.monotonic() > deadline or hurried():
            return False
    return True


def _telling(lines: list[str]) -> str:
    """Return the line that says most about a failed start."""
    fatal = [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "ERROR", "rror:"))]
    return (fatal or lines)[-1].strip()
