"""Puts this process behind the barriers, before it reads anything that a stranger wrote.

Every library must be imported before: afterwards no file can be opened. Each barrier is tried by itself, since kernels
and containers differ in what they offer, and the report says which ones hold.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable, Collection
from contextlib import suppress

from muniment.attachments import kernel, seccomp
from muniment.attachments.barriers import Barrier, Report
from muniment.attachments.limits import MEMORY_BYTES

#: The user and group `nobody`, on every Linux.
_NOBODY = 65534
#: What the process may not do any more; its open descriptors stay usable.
_NOTHING = ("RLIMIT_CORE", "RLIMIT_FSIZE", "RLIMIT_NPROC", "RLIMIT_NOFILE", "RLIMIT_MEMLOCK", "RLIMIT_MSGQUEUE")


def confine(parent: int, barriers: Collection[Barrier] = tuple(Barrier)) -> Report:
    """Raise the barriers; return for each an empty text, or why it is not in force. `parent`: process id."""
    # Privileges are needed until they are given up, and a change of user resets some of what follows it.
    steps: dict[Barrier, Callable[[], None]] = {
        Barrier.NAMESPACES: _leave_namespaces,
        Barrier.USER: _become_nobody,
        Barrier.CAPABILITIES: kernel.drop_capabilities,
        Barrier.NO_NEW_PRIVILEGES: kernel.set_no_new_privileges,
        Barrier.NOT_TRACEABLE: kernel.set_not_dumpable,
        Barrier.TIED_TO_PARENT: lambda: _die_with(parent),
        Barrier.LANDLOCK: kernel.restrict_files,
        Barrier.LIMITS: _limit,
        Barrier.SECCOMP: lambda: kernel.filter_system_calls(seccomp.reading_only()),
    }
    if Barrier.CAPABILITIES in barriers:
        with suppress(OSError):
            kernel.drop_bounding_set()  # needs a privilege; without it, no_new_privs has the same effect
    return {barrier.value: _tried(step) for barrier, step in steps.items() if barrier in barriers}


def _tried(step: Callable[[], None]) -> str:
    try:
        step()
    except (OSError, ValueError) as error:
        return str(getattr(error, "strerror", None) or error) or type(error).__name__
    return ""


def _leave_namespaces() -> None:
    try:
        kernel.leave_namespaces()
    except PermissionError:
        kernel.leave_namespaces(kernel.CLONE_NEWUSER)


def _become_nobody() -> None:
    if os.geteuid() != 0:
        raise PermissionError(0, f"only root can change the user; it runs as user {os.geteuid()}, like its worker")
    os.setgroups([])
    os.setresgid(_NOBODY, _NOBODY, _NOBODY)
    os.setresuid(_NOBODY, _NOBODY, _NOBODY)


def _die_with(parent: int) -> None:
    kernel.die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)  # it ended before


def _limit() -> None:
    _, allowed = resource.getrlimit(resource.RLIMIT_AS)
    memory = MEMORY_BYTES if allowed == resource.RLIM_INFINITY else min(MEMORY_BYTES, allowed)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    for name in _NOTHING:
        if hasattr(resource, name):
            resource.setrlimit(getattr(resource, name), (0, 0))
