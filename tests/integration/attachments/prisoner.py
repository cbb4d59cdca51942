"""What a hostile file would try once its reader obeys it: each attempt returns a text, or raises OSError.

`python -I -c "from …prisoner import run; run(ATTEMPTS, BARRIERS, …)" PARENT` is started like the reader itself, raises
the given barriers, and answers with the outcome of each attempt.
"""
# ruff: noqa: D102 - the attempts are named for what they try

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from muniment.attachments.barriers import Barrier
from muniment.attachments.child import import_everything, main, send

_PTRACE_SEIZE = 0x4206
_PR_SET_DUMPABLE = 4
_MOST_DESCRIPTORS = 1024


class Prisoner:
    """A process behind barriers; `folder` is for its files, `port` is one that its parent listens on."""

    def __init__(self, folder: str, port: int) -> None:
        self.folder, self.port, self.parent = Path(folder), port, os.getppid()
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.log = (self.folder / f"log-{os.getpid()}").open("wb", buffering=0)

    def _call(self, name: str, *arguments: Any) -> str:
        if getattr(self.libc, name)(*arguments) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return "done"

    def read_key(self) -> str:
        return (self.folder / "key").read_text()

    def read_environment_of_parent(self) -> str:
        return "done" if Path(f"/proc/{self.parent}/environ").read_bytes() else ""

    def read_folder(self) -> str:
        return "done" if list(Path("/").iterdir()) else ""

    def write_file(self) -> str:
        (self.folder / f"new-{os.getpid()}").touch()
        return "done"

    def write_open_file(self) -> str:
        return str(self.log.write(b"x"))

    def see_file(self) -> str:
        return str((self.folder / "key").stat().st_size)

    def connect(self) -> str:
        socket.create_connection(("127.0.0.1", self.port), 5).close()
        return "done"

    def bind(self) -> str:
        with socket.socket() as own:
            own.bind(("127.0.0.1", 0))
        return "done"

    def connect_locally(self) -> str:
        with socket.socket(socket.AF_UNIX) as own:
            own.connect(f"\0muniment-test-{self.port}")
        return "done"

    def fork(self) -> str:
        child = os.fork()
        if not child:
            os._exit(0)
        return str(os.waitpid(child, 0)[1])

    def execute(self) -> str:
        """Succeed without an answer: the program is replaced by one that says nothing."""
        return os.execv("/bin/true", ["true"])

    def start_thread(self) -> str:
        try:
            threading.Thread(target=int).start()
        except RuntimeError as error:
            raise OSError(0, str(error)) from error
        return "done"

    def become_root(self) -> str:
        os.setresuid(0, 0, 0)
        return "done"

    def become_another(self) -> str:
        os.setresuid(12345, 12345, 12345)
        return "done"

    def trace_parent(self) -> str:
        return self._call("ptrace", _PTRACE_SEIZE, self.parent, None, None)

    def signal_parent(self) -> str:
        os.kill(self.parent, 0)
        return "done"

    def limit_parent(self) -> str:
        return str(resource.prlimit(self.parent, resource.RLIMIT_NOFILE))

    def limit_processor_of_parent(self) -> str:
        return str(resource.prlimit(self.parent, resource.RLIMIT_CPU))

    def open_descriptor(self) -> str:
        os.close(os.dup(self.log.fileno()))
        return "done"

    def open_pipe(self) -> str:
        return str(os.pipe())

    def open_memory(self) -> str:
        return str(os.memfd_create("code"))

    def take_memory(self) -> str:
        try:
            return str(len(bytearray(2 * 1024**3)))
        except MemoryError as error:
            raise OSError(0, "no memory") from error

    def make_code(self) -> str:
        mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
        return "done"

    def change_root(self) -> str:
        os.chroot("/proc")
        return "done"

    def regain_root(self) -> str:
        """Return the effective user of a program that belongs to root and has the setuid bit."""
        reader, writer = os.pipe()
        child = os.fork()
        if not child:
            os.dup2(writer, 1)
            os.execv(self.folder / "id", ["id", "-u"])
        os.waitpid(child, 0)
        if (user := os.read(reader, 100).decode().strip()) != "0":
            raise OSError(0, f"it ran as user {user}")
        return user

    def be_traced(self) -> str:
        """Have another process of the same user open this one's memory."""
        own = os.getpid()
        child = os.fork()
        if not child:
            try:
                Path(f"/proc/{own}/mem").open("rb").close()
            except OSError:
                os._exit(1)
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            raise OSError(0, "it could not")
        return "done"

    def look_around(self) -> str:
        """Return the environment and the number of descriptors beyond the standard ones; needs no barrier."""
        count = 0
        for descriptor in range(3, _MOST_DESCRIPTORS):
            try:
                os.fstat(descriptor)
            except OSError:
                continue
            count += 1
        return f"{dict(os.environ)} {count - 1}"  # its log is its own

    def wait_for_ever(self) -> str:
        """Wait without looking at the input, which would end it."""
        threading.Event().wait()
        return ""


def run(attempts: Sequence[str], barriers: Sequence[str], user: int, folder: str, port: int) -> None:
    """Raise the barriers, as `user` if that is not 0, and send what each attempt returns."""
    prisoner = Prisoner(folder, port)
    import_everything()  # from where this user may not read
    if user:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        prisoner.libc.prctl(_PR_SET_DUMPABLE, 1)  # as in a process that was started by this user

    def work(_: BinaryIO, sink: BinaryIO) -> None:
        for attempt in attempts:
            tried: Callable[[], str] = getattr(prisoner, attempt)
            try:
                send(sink, tried())
            except OSError as error:
                send(sink, f"refused: {error.strerror}")

    main(int(sys.argv[-1]), work, [Barrier(barrier) for barrier in barriers])
