"""Prepares a supervised process between fork and exec.

A separate script, run as `python -I -S launch.py OPTIONS PROGRAM ARGUMENT…`: the supervisor has threads,
and running Python code between fork and exec (`preexec_fn`) is not safe in a multithreaded process.

OPTIONS is JSON: `parent` (the supervisor's process id), `death_signal` (sent to this process when the
supervisor dies, even by SIGKILL) and `account` (`[uid, gid]` to switch to, or null).

PostgreSQL refuses to run as root, and an unprivileged account cannot traverse to a data folder such as
/root/.local/share/muniment. So the account keeps one capability, as an ambient one so that it survives exec:
CAP_DAC_READ_SEARCH, to search other users' folders. If it is missing, CAP_DAC_OVERRIDE is kept instead:
containers usually leave root only that one.
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
    """Apply the options and exec the program; exit with status 126 and a message on standard error if that fails."""
    options, command = json.loads(arguments[0]), arguments[1:]
    try:
        if options["account"]:
            _become(*options["account"])
        if sys.platform == "linux":
            # After the change of account, which clears the signal.
            _check(_libc().prctl(_PR_SET_PDEATHSIG, options["death_signal"], 0, 0, 0))
        if os.getppid() != options["parent"]:
            sys.exit(126)  # the supervisor died before the death signal was set
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
    """Drop every capability but one; return False if this process does not have it."""
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
