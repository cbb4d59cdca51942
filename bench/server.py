"""The mail server that all peers read: a private Dovecot that counts the commands it is given."""

from __future__ import annotations

import imaplib
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.workload import Source
from muniment.demo.dovecot import Dovecot, find_dovecot

MASTER, PASSWORD = "archiver", "bench"

# A metric per command name; `doveadm stats dump` shows how many of each have finished.
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
#: A line of LIST, with the folder as Dovecot writes it.
LISTED = re.compile(rb'\) "/" (.+)$')


@contextmanager
def running_server() -> Iterator[Dovecot]:
    """Run a Dovecot that syncs nothing to disk: it is not what is measured."""
    with Dovecot(masters={MASTER: PASSWORD}, settings=_SETTINGS) as server:
        yield server


def warm(server: Dovecot, source: Source) -> None:
    """Read everything once, so that no peer pays for the server's indexes and the disk."""
    for address in source.addresses:
        with imaplib.IMAP4(server.host, server.port) as connection:
            connection.login(f"{address}*{MASTER}", PASSWORD)
            for line in connection.list()[1]:
                found = LISTED.search(line) if isinstance(line, bytes) else None
                if found is None:
                    raise AssertionError(f"Dovecot lists a folder in no known form: {line!r}")
                _, count = connection.select(found[1].decode(), readonly=True)
                if count != [b"0"]:
                    connection.fetch("1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")


def commands(server: Dovecot) -> dict[str, int]:
    """Return how many IMAP commands the server has finished, by name."""
    doveadm = Path(find_dovecot()).with_name("doveadm")
    program = str(doveadm) if doveadm.exists() else "doveadm"
    argv = [program, "-c", str(server.folder / "dovecot.conf"), "stats", "dump"]
    dump = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return {name: int(count) for name, count in _COMMAND.findall(dump)}


def since(before: dict[str, int], now: dict[str, int]) -> dict[str, int]:
    """Return what was counted between two looks."""
    return {name: count - before.get(name, 0) for name, count in sorted(now.items()) if count > before.get(name, 0)}
