"""Keeps processes running: restarts processes that die, stops all in order, and leaves no orphans.

One thread per program starts it, waits until it is ready, waits for its exit, and restarts it after a
pause. The supervisor is independent of the programs.
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

#: Before `settle()`, the supervisor gives up on a process that dies this often in a row.
MAX_EARLY_DEATHS = 3

_STABLE_SECONDS = 30.0  # after this time, a death counts as the first again
_POLL_SECONDS = 0.02
_KILL_SECONDS = 10.0


class Supervisor:
    """Runs `Program`s with their output in `log_folder`/NAME.log; marks all with the data folder `data`."""

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
        """Start a program and wait until it is ready; raise Permanent if it does not start."""
        marked = replace(program, env={**program.env, MARK: str(self._data)})
        keeper = _Keeper(marked, self._log_folder / f"{program.name}.log", self._backoff, self._settled)
        with self._lock:
            if self._stopped:
                raise Permanent(f"{program.name} is not started: the supervisor is stopping")
            self._keepers.append(keeper)
            keeper.start()
        keeper.wait_until_ready()

    def settle(self) -> None:
        """End the startup phase: from now on, restart every process that dies, without giving up."""
        self._settled.set()

    def check(self) -> None:
        """Raise the error of a program that the supervisor gave up on, if any."""
        for keeper in self._keepers:
            if keeper.error:
                raise keeper.error

    def pids(self) -> dict[str, int]:
        """Return the process ids of the running programs, by name."""
        return {keeper.program.name: child.pid for keeper in self._keepers if (child := keeper.child)}

    def hurry(self) -> None:
        """Make `stop()` skip the rest of its current wait."""
        self._hurried += 1

    def stop(self) -> None:
        """Stop all programs, the highest rank first, and return when every process has exited."""
        with self._lock:
            self._stopped = True
            keepers = sorted(self._keepers, key=lambda keeper: keeper.program.rank, reverse=True)
        # No program may restart while others stop.
        for keeper in keepers:
            keeper.abandon()
        for _, rank in groupby(keepers, key=lambda keeper: keeper.program.rank):
            together = list(rank)
            with ThreadPoolExecutor(len(together)) as pool:
                for _ in pool.map(lambda keeper: keeper.stop(self._hurries()), together):
                    pass

    def _hurries(self) -> Callable[[], bool]:
        """Return a function that returns True once per call of hurry()."""
        seen = self._hurried

        def hurried() -> bool:
            nonlocal seen
            before, seen = seen, self._hurried
            return seen > before

        return hurried


class _Keeper:
    """Keeps one program running, in its own thread."""

    def __init__(self, program: Program, log_file: Path, backoff: Backoff, settled: threading.Event) -> None:
        self.program = program
        self.error: MunimentError | None = None
        self.child: Child | None = None
        self._log_file = log_file
        self._backoff = backoff
        self._settled = settled
        self._lock = threading.Lock()
        self._abandoned = threading.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"{program.name} keeper")

    def start(self) -> None:
        self._thread.start()

    def wait_until_ready(self) -> None:
        while not self._ready.wait(_POLL_SECONDS):
            if self.error:
                raise self.error
            if not self._thread.is_alive():
                raise Permanent(f"{self.program.name} was stopped before it was ready")

    def abandon(self) -> None:
        """Leave the process running, but do not restart it."""
        with self._lock:
            self._abandoned.set()

    def stop(self, hurried: Callable[[], bool]) -> None:
        """Stop the process step by step; return when its whole group has exited and `tidy` has run."""
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
        except MunimentError as error:  # the other programs must still be stopped
            log.warning("process left behind", process=self.program.name, reason=str(error))

    def _run(self) -> None:
        try:
            self._keep()
        except MunimentError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 - `start` and `check` raise it
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
            if deaths >= MAX_EARLY_DEATHS and not self._settled.is_set():
                raise Permanent(f"{self.program.name} does not start: {reason}", hint=f"See {self._log_file}.")
            pause = self._backoff.seconds(deaths)
            log.warning("process died", process=self.program.name, reason=reason, restart_seconds=round(pause, 2))
            self._abandoned.wait(pause)

    def _live(self) -> str:
        """Run the program once, from start to exit; return why it exited."""
        self.program.tidy()
        with self._lock:
            if self._abandoned.is_set():
                return "stopped"
            child = self.child = Child(self.program, self._log_file)
        failure = self._wait_until_ready(child)
        child.ended.wait()
        self.child = None
        tail = child.tail()
        if failure:
            self.program.repair(tail)
        verdict = failure or child.verdict()
        return verdict if child.was_killed or not tail else f"{verdict}: {_most_relevant(tail)}"

    def _wait_until_ready(self, child: Child) -> str:
        """Return an empty string if the process becomes ready, otherwise the reason why it does not."""
        deadline = time.monotonic() + self.program.start_seconds
        while not child.ended.wait(_POLL_SECONDS):
            if self.program.answers():
                self._ready.set()
                return ""
            if time.monotonic() > deadline:
                child.kill()
                return f"no response within {self.program.start_seconds:g} s"
        return child.verdict()


def _wait(child: Child, seconds: float, hurried: Callable[[], bool]) -> bool:
    """Return whether the process exits within `seconds`; return False early if `hurried`."""
    deadline = time.monotonic() + seconds
    while not child.ended.wait(_POLL_SECONDS):
        if time.monotonic() > deadline or hurried():
            return False
    return True


def _most_relevant(lines: list[str]) -> str:
    """Return the output line that best explains a failed start."""
    fatal = [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "ERROR", "rror:"))]
    return (fatal or lines)[-1].strip()
