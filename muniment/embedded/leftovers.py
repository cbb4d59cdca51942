"""Stops processes that an earlier `muniment up` left behind when it was killed.

Touches only processes that verifiably belong to this data folder: a server with its working directory in
the server's folder, or a process with the supervisor's mark and this folder in its environment.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil

from muniment import log as logs
from muniment.embedded.child import MARK
from muniment.errors import Conflict

log = logs.get(__name__)

_FAST_SECONDS = 60.0  # a shutdown that writes a final checkpoint
_SHORT_SECONDS = 5.0


def servers(folder: Path, name: str) -> list[psutil.Process]:
    """Return the processes whose name starts with `name` and whose working directory is `folder`."""
    return _matching(lambda process: process.name().startswith(name) and process.cwd() == os.path.realpath(folder))


def marked(data: Path) -> list[psutil.Process]:
    """Return the processes that a supervisor of this data folder started, directly or indirectly."""
    family = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return _matching(lambda process: process.pid not in family and process.environ().get(MARK) == str(data))


def stop_marked(data: Path) -> None:
    """Kill every process that a supervisor of this data folder started. Stop the servers first."""
    _kill(marked(data))


def stop_servers(folder: Path, name: str, polite: signal.Signals) -> None:
    """Stop a server that runs in `folder`, if any: send `polite` to its main process, then SIGKILL to the rest.

    Children exit on their own soon after their main process; they never receive `polite`, because
    signals have other meanings for PostgreSQL's auxiliary processes.
    """
    processes = servers(folder, name)
    mains = [process for process in processes if _safely(_is_main, process)]
    for process in mains:
        log.warning("stopping a leftover server", server=name, process=process.pid)
        _send(process, polite)
    psutil.wait_procs(processes, timeout=_FAST_SECONDS if mains else _SHORT_SECONDS)
    _kill(servers(folder, name))


def _is_main(process: psutil.Process) -> bool:
    # Both servers set a title for their children (`postgres: checkpointer`); only the main process keeps its path.
    return Path(process.cmdline()[0]).is_absolute()


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        log.warning("killing a leftover process", process=process.pid)
        _send(process, signal.SIGKILL)
    _, alive = psutil.wait_procs(processes, timeout=_SHORT_SECONDS)
    if alive:
        raise Conflict(
            f"process {alive[0].pid}, left behind by an earlier Muniment, does not exit",
            hint="It probably waits for an unresponsive disk. End the process, then start Muniment again.",
        )


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)  # psutil checks that the process id was not reused
    except psutil.NoSuchProcess:
        pass


def _matching(belongs: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _safely(belongs, process)]


def _safely(belongs: Callable[[psutil.Process], bool], process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and belongs(process)
    except (psutil.Error, OSError, IndexError):
        return False  # exited, or inaccessible
