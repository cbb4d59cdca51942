"""The real `muniment` command as a child process: run it, read its output, signal it, and find what it leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

import psutil

from tests.support.waiting import wait_until

# Inherited by every descendant, even one that left its parent's session; not a setting of Muniment.
_MARK = "TEST_PROCESS_MARK"
_REPOSITORY = Path(__file__).parents[2]


def command(*arguments: str) -> list[str]:
    """Return the command line of the installed `muniment`."""
    return [str(Path(sys.executable).with_name("muniment")), *arguments]


@dataclass(frozen=True)
class Finished:
    """The result of a command."""

    code: int
    stdout: str
    stderr: str


def run(
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    data: Path | None = None,
    stdin: str = "",
    timeout: float = 240,
) -> Finished:
    """Run `muniment ARGUMENTS…` until it exits, with the environment of `Running`; AssertionError on timeout."""
    with Running(*arguments, environ=environ, data=data, stdin=stdin) as running:
        code = running.wait(timeout)
        return Finished(code, running.stdout, running.stderr)


class Running:
    """A command that runs within `with` and is then killed with all its descendants.

    The child gets the test's environment without any `MUNIMENT_*`, then `MUNIMENT_DATA` for `data`, then `environ`.
    `program` starts a program other than `muniment`.
    """

    def __init__(
        self,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        data: Path | None = None,
        stdin: str = "",
        program: Sequence[str] | None = None,
    ) -> None:
        self.arguments = [*program, *arguments] if program else command(*arguments)
        self.data = data
        self.mark = uuid.uuid4().hex
        self._environ = child_environment(environ or {}, data) | {_MARK: self.mark}
        self._stdin = stdin
        self._output: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._readers: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self.arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environ,
            cwd=_REPOSITORY,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        for name in self._output:
            stream = getattr(self.process, name)
            reader = threading.Thread(target=self._read, args=(stream, self._output[name]), daemon=True)
            reader.start()
            self._readers.append(reader)
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(self._stdin)
            self.process.stdin.close()
        except BrokenPipeError:  # it exited without reading
            pass
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def pid(self) -> int:
        """The process id of the command."""
        return self.process.pid

    @property
    def stdout(self) -> str:
        """The standard output so far; complete once the process has exited."""
        return "".join(self._output["stdout"])

    @property
    def stderr(self) -> str:
        """The standard error so far; complete once the process has exited."""
        return "".join(self._output["stderr"])

    def wait_for_line(self, text: str, timeout: float = 240) -> str:
        """Return the first line of output or errors with `text`; AssertionError if it exits or takes too long."""

        def found() -> str | None:
            ended = self.process.poll() is not None
            lines = [line for part in self._output.values() for line in part]
            line = next((line for line in lines if text in line), None)
            assert line or not ended, f"ended with {self.process.returncode} before {text!r}\n{self._told()}"
            return line

        try:
            return wait_until(found, f"{text!r} from {self.arguments}", seconds=timeout) or ""
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._told()}") from error

    def wait(self, timeout: float = 240) -> int:
        """Return the exit code; AssertionError after `timeout` seconds."""
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout:g} s: {self.arguments}\n{self._told()}") from None
        for reader in self._readers:
            reader.join(30)  # a grandchild may keep the pipe open for longer
        return code

    def stop(self, signal_number: signal.Signals = signal.SIGTERM, timeout: float = 120) -> int:
        """Send a signal to the command alone, as an operator would, and return its exit code."""
        self.process.send_signal(signal_number)
        return self.wait(timeout)

    def interrupt(self, timeout: float = 120) -> int:
        """Send SIGINT to the whole process group, as Ctrl-C on a terminal does, and return the exit code."""
        os.killpg(self.pid, signal.SIGINT)
        return self.wait(timeout)

    def descendants(self) -> list[psutil.Process]:
        """Return all running processes that this command started, without the command itself."""
        return [process for process in leftovers(self.mark, self.data) if process.pid != self.pid]

    def assert_no_orphans(self, timeout: float = 60) -> None:
        """Check that the exited command left nothing: no process that it started or that uses its data."""

        def told() -> str:
            return ", ".join(_describe(process) for process in leftovers(self.mark, self.data))

        try:
            wait_until(lambda: not leftovers(self.mark, self.data), "no process left", seconds=timeout)
        except AssertionError as error:
            raise AssertionError(f"left behind: {told()}") from error

    def kill(self) -> None:
        """Kill the command and everything that it started. Idempotent."""
        for process in leftovers(self.mark, self.data):
            try:
                process.kill()
            except psutil.NoSuchProcess:
                pass
        if self.process.poll() is None:
            self.process.kill()
        self.wait(60)

    @staticmethod
    def _read(stream: IO[str], lines: list[str]) -> None:
        with stream:
            for line in stream:
                lines.append(line)  # noqa: PERF402 - `extend` would show lines only at the end

    def _told(self) -> str:
        return f"--- stdout\n{self.stdout[-4000:]}\n--- stderr\n{self.stderr[-8000:]}"


def child_environment(environ: Mapping[str, str], data: Path | None = None) -> dict[str, str]:
    """Return a child's environment: the test's without Muniment's settings, then `data`, then `environ`."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MUNIMENT_")}
    return ours | {"PYTHONUNBUFFERED": "1"} | ({"MUNIMENT_DATA": str(data)} if data else {}) | dict(environ)


def leftovers(mark: str, data: Path | None) -> list[psutil.Process]:
    """Return the running processes that carry `mark`, or that work in or mention the folder `data`.

    The folder is needed because PostgreSQL's children overwrite their environment.
    """
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and _belongs(process, mark, data):
                found.append(process)
        except psutil.Error:
            continue
    return found


@contextmanager
def frozen(folder: Path, *, if_any: bool = False) -> Iterator[None]:
    """Stop all processes that work in a folder with SIGSTOP: they do not respond, but their connections stay open.

    There must be at least one, except with `if_any`, because they may be restarting.
    """
    stopped = []
    for process in leftovers("", folder):
        with suppress(psutil.NoSuchProcess):
            process.suspend()
            stopped.append(process)
    assert stopped or if_any, f"nobody works in {folder}"
    try:
        yield
    finally:
        for process in stopped:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def _belongs(process: psutil.Process, mark: str, data: Path | None) -> bool:
    if process.environ().get(_MARK) == mark:
        return True
    if data is None or process.pid == os.getpid():
        return False
    folder = str(data.resolve())
    return Path(process.cwd()).is_relative_to(folder) or any(folder in word for word in process.cmdline())


def _describe(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {' '.join(process.cmdline()) or process.name()}"
    except psutil.Error:
        return f"{process.pid} (gone)"
