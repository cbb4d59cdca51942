"""The calls of the Linux kernel that the standard library lacks, through ctypes.

The bindings on PyPI are no help: pyseccomp was last released in 2021 and needs a system library that slim images lack,
and landlock exists as a pre-release only. What is needed of either is a few lines. Every function raises OSError if the
kernel refuses.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from typing import Any

CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_CLONE_NEWIPC = 0x08000000

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_CAPBSET_READ = 23
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_SECCOMP_MODE_FILTER = 2
_CAPABILITIES_VERSION_3 = 0x20080522
_MOST_CAPABILITIES = 64

# Landlock's system calls have the same numbers on every architecture.
_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_RESTRICT_SELF = 446
_LANDLOCK_VERSION = 1
#: Rights of the file system by the version of Landlock that added them (uapi/linux/landlock.h): 13, then one each.
_FILE_RIGHTS = ((1, 0x1FFF), (2, 1 << 13), (3, 1 << 14), (5, 1 << 15))
_TCP_SINCE, _TCP = 4, 0b11  # bind and connect
_SCOPES_SINCE, _SCOPES = 6, 0b11  # abstract Unix sockets and signals


class _Filter(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("value", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("filters", ctypes.POINTER(_Filter)))


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


def set_no_new_privileges() -> None:
    """Make every later execve keep the privileges as they are (prctl(2))."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def set_not_dumpable() -> None:
    """Forbid core dumps, and other processes of the same user to trace this one or read its memory."""
    _prctl(_PR_SET_DUMPABLE, 0)


def die_with_parent(signal: int) -> None:
    """Have the kernel send a signal when the thread that started this process ends."""
    _prctl(_PR_SET_PDEATHSIG, signal)


def drop_bounding_set() -> None:
    """Give up every capability for good; needs CAP_SETPCAP unless the set is empty already."""
    for number in range(_MOST_CAPABILITIES):
        try:
            held = _prctl(_PR_CAPBSET_READ, number)
        except OSError:
            return  # beyond the last one that the kernel knows
        if held:
            _prctl(_PR_CAPBSET_DROP, number)


def drop_capabilities() -> None:
    """Empty the ambient, effective, permitted and inheritable sets (capabilities(7))."""
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    head = (ctypes.c_uint32 * 2)(_CAPABILITIES_VERSION_3, 0)
    _checked(_libc().capset(head, (ctypes.c_uint32 * 6)()))


def leave_namespaces(extra: int = 0) -> None:
    """Enter a network without interfaces and an IPC namespace of its own; `extra`: CLONE_NEWUSER without privileges."""
    _checked(_libc().unshare(_CLONE_NEWNET | _CLONE_NEWIPC | extra))


def restrict_files() -> None:
    """Deny every path, TCP port, abstract socket and foreign process that this kernel's Landlock can deny."""
    call = _libc().syscall
    version = _checked(call(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_VERSION))
    rules = _Ruleset(
        sum(rights for since, rights in _FILE_RIGHTS if since <= version),
        _TCP if version >= _TCP_SINCE else 0,
        _SCOPES if version >= _SCOPES_SINCE else 0,
    )
    ruleset = _checked(call(_LANDLOCK_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(ctypes.sizeof(rules)), 0))
    try:
        _checked(call(_LANDLOCK_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def filter_system_calls(program: list[tuple[int, int, int, int]]) -> None:
    """Install a filter of system calls, a BPF program of (code, jump if true, jump if false, value) (seccomp(2))."""
    filters = (_Filter * len(program))(*(_Filter(*one) for one in program))
    handed = _Program(len(program), filters)
    _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(handed))


def _prctl(option: int, *values: int) -> int:
    padded = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    return _checked(_libc().prctl(option, *padded))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


@cache
def _libc() -> Any:
    if sys.platform != "linux":
        raise OSError(0, "only Linux has this")
    return ctypes.CDLL(None, use_errno=True)
