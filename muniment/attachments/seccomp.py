"""The filter of system calls: what reading a file in memory needs, and nothing else (seccomp(2)).

A call that is not listed fails with EPERM, as if the kernel refused it: libraries bear that, and a list of what is
allowed does not age with new kernels as a list of what is forbidden does.
"""

from __future__ import annotations

import errno
import platform
import sys
from dataclasses import dataclass

_Instruction = tuple[int, int, int, int]

# BPF: load a word of the call, jump if equal or if a bit is set, return.
_LOAD, _EQUAL, _AT_LEAST, _BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_REFUSE = 0x00050000 | errno.EPERM
# Offsets in `struct seccomp_data`; of the arguments, 64 bits each, the lower half is looked at.
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_PROT_EXEC = 4
_RLIMIT_CPU = 0


@dataclass(frozen=True)
class _Machine:
    """An architecture: its name in the audit system, and its numbers of the calls."""

    audit: int
    calls: dict[str, int]


def _numbers(text: str) -> dict[str, int]:
    words = text.split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))


_X86 = _Machine(
    0xC000003E,
    _numbers(
        "read 0 write 1 close 3 fstat 5 lseek 8 mmap 9 mprotect 10 munmap 11 brk 12 rt_sigaction 13 "
        "rt_sigprocmask 14 rt_sigreturn 15 readv 19 writev 20 sched_yield 24 mremap 25 madvise 28 getpid 39 "
        "exit 60 gettimeofday 96 getrusage 98 sysinfo 99 times 100 sigaltstack 131 gettid 186 time 201 futex 202 "
        "sched_getaffinity 204 restart_syscall 219 clock_gettime 228 clock_getres 229 exit_group 231 prlimit64 302 "
        "getrandom 318 rseq 334"
    ),
)
_ARM = _Machine(
    0xC00000B7,
    _numbers(
        "read 63 write 64 close 57 fstat 80 lseek 62 mmap 222 mprotect 226 munmap 215 brk 214 rt_sigaction 134 "
        "rt_sigprocmask 135 rt_sigreturn 139 readv 65 writev 66 sched_yield 124 mremap 163 madvise 233 getpid 172 "
        "exit 93 gettimeofday 169 getrusage 165 sysinfo 179 times 153 sigaltstack 132 gettid 178 futex 98 "
        "sched_getaffinity 123 restart_syscall 128 clock_gettime 113 clock_getres 114 exit_group 94 prlimit64 261 "
        "getrandom 278 rseq 293"
    ),
)
_MACHINES = {"x86_64": _X86, "aarch64": _ARM}


def reading_only() -> list[_Instruction]:
    """Return the filter for this machine; OSError if there is none for it."""
    machine = _MACHINES.get(platform.machine())
    if machine is None or sys.maxsize <= 2**32:
        raise OSError(0, f"there is no filter for {platform.machine()}")
    calls = dict(machine.calls)
    # Memory cannot become code, and the only limit that may be set is this process' own of CPU time.
    mapping = [calls.pop(name) for name in ("mmap", "mprotect")]
    limit = calls.pop("prlimit64")
    return [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, machine.audit),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, 0x40000000),  # the x32 way into the same kernel
        (_RETURN, 0, 0, _KILL),
        *(part for number in sorted(calls.values()) for part in ((_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW))),
        *(part for number in mapping for part in _unless_executable(number)),
        (_EQUAL, 0, 5, limit),
        (_LOAD, 0, 0, _ARGUMENTS),
        (_EQUAL, 0, 3, 0),
        (_LOAD, 0, 0, _ARGUMENTS + 8),
        (_EQUAL, 0, 1, _RLIMIT_CPU),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]


def _unless_executable(number: int) -> list[_Instruction]:
    """Allow a call unless its third argument, the protection, asks for executable memory."""
    return [
        (_EQUAL, 0, 4, number),
        (_LOAD, 0, 0, _ARGUMENTS + 2 * 8),
        (_BIT, 0, 1, _PROT_EXEC),
        (_RETURN, 0, 0, _REFUSE),
        (_RETURN, 0, 0, _ALLOW),
    ]
