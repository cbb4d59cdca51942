"""The peer: mbsync (Debian's isync), which mirrors IMAP into Maildir with its default durability, fsync on."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.measurement import Measurement, Repeat
from bench.processes import PeakMemory, cpu_seconds, tree
from bench.server import MASTER, PASSWORD, commands, since
from bench.workload import Source
from muniment.demo.dovecot import Dovecot
from muniment.errors import Misconfigured, Permanent

_SETTLE_SECONDS = 2.0

# PullNew is the least that an archive needs: mbsync then does not compare the flags of old messages.
_CHANNEL = """\
IMAPAccount {name}
Host {server.host}
Port {server.port}
User {address}*{master}
Pass {password}
SSLType None
AuthMechs LOGIN

IMAPStore {name}-far
Account {name}

MaildirStore {name}-near
Path {folder}/mail/{name}/
Inbox {folder}/mail/{name}/INBOX
SubFolders Verbatim

Channel {name}
Far :{name}-far:
Near :{name}-near:
Patterns *
Create Near
Sync PullNew
SyncState *

"""


def find_mbsync() -> str:
    """Return the program; Misconfigured says what to install."""
    found = shutil.which("mbsync")
    if found is None:
        raise Misconfigured("mbsync is not installed", hint="On Debian or Ubuntu: apt-get install isync")
    return found


class Mbsync:
    """One mbsync for all mailboxes, or, with `jobs` above 1, one for each, so many at once (`xargs -P`)."""

    def __init__(self, jobs: int = 1) -> None:
        self.name = "mbsync" if jobs == 1 else f"mbsync x{jobs}"
        self._jobs = jobs
        self._program = find_mbsync()

    def measure(self, server: Dovecot, source: Source, folder: Path) -> Measurement:
        """Mirror everything into `folder`, and then again."""
        configuration, names = _configure(server, source, folder)
        words = [[name] for name in names] if self._jobs > 1 else [["--all"]]
        argvs = [[self._program, "--quiet", "--config", str(configuration), *word] for word in words]
        server_before = _server_cpu(server)
        with PeakMemory(lambda: tree(os.getpid())[1:]) as memory:
            seconds, cpu = self._run(argvs)
        server_after = _server_cpu(server)
        # mbsync waits for the second to pass in which a folder changed, which an hourly run never meets.
        time.sleep(_SETTLE_SECONDS)
        before = commands(server)
        again, cpu_again = self._run(argvs)
        repeat = Repeat(again, cpu_again, since(before, commands(server)))
        return Measurement(
            peer=self.name,
            messages=source.messages,
            bytes=source.bytes,
            seconds=seconds,
            cpu_seconds={"mbsync": cpu},
            server_cpu_seconds=round(server_after - server_before, 2),
            peak_bytes=memory.bytes,
            repeat=repeat,
            mailboxes=len(source.addresses),
            left_out=_left_out(source, names, folder),
        )

    def _run(self, argvs: Sequence[list[str]]) -> tuple[float, float]:
        """Run the commands, `jobs` at a time; return wall and CPU seconds."""
        started = time.monotonic()
        with ThreadPoolExecutor(self._jobs) as pool:
            cpu = sum(pool.map(_run, argvs))
        return time.monotonic() - started, round(cpu, 2)


def _configure(server: Dovecot, source: Source, folder: Path) -> tuple[Path, list[str]]:
    names = [f"box{number:04}" for number in range(len(source.addresses))]
    text = ""
    for name, address in zip(names, source.addresses, strict=True):
        (folder / "mail" / name).mkdir(parents=True)
        text += _CHANNEL.format(
            name=name, address=address, server=server, master=MASTER, password=PASSWORD, folder=folder
        )
    configuration = folder / "mbsyncrc"
    configuration.write_text(text)
    return configuration, names


def _run(argv: list[str]) -> float:
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        said = process.stdout.read().decode(errors="replace")
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Permanent(f"mbsync ended with {process.returncode}: {said[-500:]}")
    return usage.ru_utime + usage.ru_stime


def _server_cpu(server: Dovecot) -> float:
    assert server.pid is not None
    return cpu_seconds(tree(server.pid))


def _left_out(source: Source, names: Sequence[str], folder: Path) -> int:
    """Return how many messages mbsync did not take: it skips those with an incomplete header, and ends well."""
    found = sum(1 for name in names for file in (folder / "mail" / name).rglob("*:2,*") if file.is_file())
    return source.messages - found
