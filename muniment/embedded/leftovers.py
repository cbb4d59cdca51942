"""Processes that an earlier `muniment up` left behind when it was killed.

Only what verifiably belongs to this data folder is touched: a server binary that works in its server
folder, or a process that carries the supervisor's mark with this very folder in its environment.
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

_FAST_SECONDS = 60.0  # a shutdown that writes a last checkpoint
_SHORT_SECONDS = 5.0


def servers(folder: Path, name: str) -> list[psutil.Process]:
    """Return the processes called `name`… whose working directory is `folder`."""
    return _matching(lambda process: process.name().startswith(name) and process.cwd() == os.path.realpath(folder))


def marked(data: Path) -> list[psutil.Process]:
    """Return the processes that a supervisor of this data folder started, directly or not."""
    family = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return _matching(lambda process: process.pid not in family and process.environ().get(MARK) == str(data))


def stop_marked(data: Path) -> None:
    """Kill every process that a supervisor of this data folder started; servers must be gone before."""
    _kill(marked(data))


def stop_servers(folder: Path, name: str, polite: signal.Signals) -> None:
    """Stop the server that works in `folder`, if any: `polite` to its main process, later SIGKILL to what is left.

    Children of a main process that is gone end by themselves in a moment; they are never sent `polite`,
    because to PostgreSQL's auxiliary processes signals mean other things.
    """
    found = servers(folder, name)
    heads = [process for process in found if _safely(_is_main, process)]
    for process in heads:
        log.warning("stopping a server left behind", server=name, process=process.pid)
        _send(process, polite)
    psutil.wait_procs(found, timeout=_FAST_SECONDS if heads else _SHORT_SECONDS)
    _kill(servers(folder, name))


def _is_main(process: psutil.Process) -> bool:
    # Both servers give their children a title (`postgres: checkpointer`) and keep their own path themselves.
    return Path(process.cmdline()[0]).is_absolute()


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        log.warning("killing a process left behind", process=process.pid)
        _send(process, signal.SIGKILL)
    _, alive = psutil.wait_procs(processes, timeout=_SHORT_SECONDS)
    if alive:
        raise Conflict(
            f"process {alive[0].pid}, left behind by an earlier Muniment, does not end",
            hint="It probably waits for a disk that does not answer; end it, then start Muniment again.",
        )


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)  # psutil makes sure that the number was not given to another process
    except psutil.NoSuchProcess:
        pass


def _matching(belongs: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _safely(belongs, process)]


def _safely(belongs: Callable[[psutil.Process], bool], process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and belongs(process)
    except (psutil.Error, OSError, IndexError):
        return False  # gone, or not ours to look at
