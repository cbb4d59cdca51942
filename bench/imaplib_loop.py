"""The peer that everyone writes first: a loop over Python's imaplib that writes each message to a file.

`python -m bench.imaplib_loop HOST PORT MASTER PASSWORD FOLDER ADDRESS…` runs the loop itself. It skips messages whose
file exists. Nothing is synced to disk.
"""

from __future__ import annotations

import imaplib
import re
import sys
from pathlib import Path

from bench.command import CommandPeer, Plan
from bench.server import MASTER, PASSWORD, folders, opened
from bench.workload import Source
from muniment.demo.dovecot import Dovecot

_BATCH = 50
_UID = re.compile(rb"UID (\d+)")


class ImaplibLoop(CommandPeer):
    """A single process that opens one connection after another."""

    def __init__(self) -> None:
        super().__init__("imaplib", sys.executable)

    def plan(self, server: Dovecot, source: Source, folder: Path) -> Plan:
        """Return a plan that runs the loop over all mailboxes."""
        mail = folder / "mail"
        place = [server.host, str(server.port), MASTER, PASSWORD, str(mail)]
        return Plan([[self.program, "-m", "bench.imaplib_loop", *place, *source.addresses]], mail, "*.eml")


def archive(connection: imaplib.IMAP4, folder: Path) -> None:
    """Fetch the new messages of the open mailbox."""
    for name in folders(connection):
        _archive_folder(connection, name, folder / name.strip('"').replace("/", "."))


def _archive_folder(connection: imaplib.IMAP4, name: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    connection.select(name, readonly=True)
    have = {int(file.stem) for file in folder.iterdir()}
    uids = [uid for uid in map(int, connection.uid("SEARCH", "ALL")[1][0].split()) if uid not in have]
    for start in range(0, len(uids), _BATCH):
        batch = ",".join(map(str, uids[start : start + _BATCH]))
        for answer in connection.uid("FETCH", batch, "(UID FLAGS INTERNALDATE BODY.PEEK[])")[1]:
            if isinstance(answer, tuple) and (uid := _UID.search(answer[0])):
                (folder / f"{int(uid[1])}.eml").write_bytes(answer[1])


if __name__ == "__main__":
    _host, _port, _master, _password, _folder, *_addresses = sys.argv[1:]
    for _address in _addresses:
        with opened(_host, int(_port), _address, _master, _password) as _connection:
            archive(_connection, Path(_folder) / _address)
