"""The mail server for all peers: a private Dovecot that counts the commands it receives."""

from __future__ import annotations

import imaplib
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.processes import cpu_seconds, tree
from bench.workload import Source
from muniment.demo.dovecot import Dovecot, find_dovecot

MASTER, PASSWORD = "archiver", "bench"

# One metric per command name; `doveadm stats dump` shows how many of each have finished.
_SETTINGS = """
metric imap_commands {
  filter = event=imap_command_finished
  group_by = cmd_name
}
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
"""
_COMMAND = re.compile(r"^imap_commands_(\S+)\tduration\t(\d+)\t", re.MULTILINE)
_LISTED = re.compile(rb'\) "/" (.+)$')


@contextmanager
def running_server() -> Iterator[Dovecot]:
    """Run a Dovecot without fsync: the server is not what is measured."""
    with Dovecot(masters={MASTER: PASSWORD}, settings=_SETTINGS) as server:
        yield server


@contextmanager
def opened(
    host: str, port: int, address: str, master: str = MASTER, password: str = PASSWORD
) -> Iterator[imaplib.IMAP4]:
    """Log in to a mailbox as its privileged user."""
    with imaplib.IMAP4(host, port) as connection:
        connection.login(f"{address}*{master}", password)
        yield connection


def folders(connection: imaplib.IMAP4) -> list[str]:
    """Return the folder names of the open mailbox in Dovecot's spelling."""
    lines = connection.list()[1]
    found = [_LISTED.search(line) if isinstance(line, bytes) else None for line in lines]
    if None in found:
        raise AssertionError(f"Dovecot lists a folder in no known form: {lines!r}")
    return [name[1].decode() for name in found if name is not None]


def select(connection: imaplib.IMAP4, folder: str) -> bool:
    """Open a folder and tell whether it contains messages."""
    return connection.select(folder, readonly=True)[1] != [b"0"]


def warm(server: Dovecot, source: Source) -> None:
    """Read everything once, so that no peer pays for building the server's indexes or for cold disk reads."""
    for address in source.addresses:
        with opened(server.host, server.port, address) as connection:
            for folder in folders(connection):
                if select(connection, folder):
                    connection.fetch("1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")


def cpu(server: Dovecot) -> float:
    """Return the CPU seconds that the server has used so far."""
    assert server.pid is not None
    return cpu_seconds(tree(server.pid))


def commands(server: Dovecot) -> dict[str, int]:
    """Return the number of finished IMAP commands by name."""
    doveadm = Path(find_dovecot()).with_name("doveadm")
    program = str(doveadm) if doveadm.exists() else "doveadm"
    argv = [program, "-c", str(server.folder / "dovecot.conf"), "stats", "dump"]
    dump = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return {name: int(count) for name, count in _COMMAND.findall(dump)}


def since(before: dict[str, int], now: dict[str, int]) -> dict[str, int]:
    """Return the difference between two counts."""
    return {name: count - before.get(name, 0) for name, count in sorted(now.items()) if count > before.get(name, 0)}
