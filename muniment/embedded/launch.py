"""What a supervised process does to itself between fork and exec.

A script of its own, run as `python -I -S launch.py ORDERS PROGRAM ARGUMENT…`: the supervisor has
threads, and Python code between fork and exec (`preexec_fn`) is not safe in a process with threads.

ORDERS is JSON: `parent` (process id of the supervisor), `death_signal` (what this process gets when
the supervisor dies, even by SIGKILL) and `account` (`[uid, gid]` to become, or null).

PostgreSQL refuses to run as root, and an unprivileged account cannot walk to a data folder such as
/root/.local/share/muniment. So the account keeps one capability, as ambient so that it survives exec:
to search folders that are not its own. It is tried before the wider one to override permissions,
because containers usually leave root only the latter.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys

# linux/prctl.h, linux/capability.h
_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE = 1
_CAP_DAC_READ_SEARCH = 2


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def main(arguments: list[str]) -> None:
    """Follow the orders and become the program; ends with status 126 and a line on standard error if it cannot."""
    orders, command = json.loads(arguments[0]), arguments[1:]
    try:
        if orders["account"]:
            _become(*orders["account"])
        if sys.platform == "linux":
            # After the change of account, which clears it.
            _check(_libc().prctl(_PR_SET_PDEATHSIG, orders["death_signal"], 0, 0, 0))
        if os.getppid() != orders["parent"]:
            sys.exit(126)  # the supervisor died before it could be watched
        os.umask(0o077)
        os.execv(command[0], command)
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error.strerror}\n")
        sys.exit(126)


def _become(uid: int, gid: int) -> None:
    if sys.platform == "linux":
        _check(_libc().prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    if sys.platform == "linux":
        for capability in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE):
            if _keep_only(capability):
                return


def _keep_only(capability: int) -> bool:
    """Give up every capability but one; False when this process does not have that one."""
    header, sets = _Header(_CAPABILITY_VERSION_3, 0), (_Sets * 2)()
    sets[0].effective = sets[0].permitted = sets[0].inheritable = 1 << capability
    libc = _libc()
    return bool(
        libc.capset(ctypes.byref(header), ctypes.byref(sets)) == 0
        and libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability, 0, 0) == 0
    )


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main(sys.argv[1:])
