"""Operations on supervised processes."""

from __future__ import annotations

import os
import signal

import psutil

from muniment.embedded.supervisor import Supervisor
from tests.support.waiting import wait_until


def kill_and_wait(supervisor: Supervisor, name: str) -> None:
    """Send SIGKILL to a running program and return once another process has replaced it."""

    def running() -> int | None:
        return supervisor.pids().get(name)

    before = wait_until(running, f"{name} to run")
    assert before is not None
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: running() not in {None, before}, f"another {name}")


def gone(pid: int) -> bool:
    """Return whether a process has exited, even if its parent has not collected it."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
