"""The peer offlineimap3, which mirrors IMAP into Maildir."""

from __future__ import annotations

from pathlib import Path

from bench.command import CommandPeer, Plan, box_names, find
from bench.server import MASTER, PASSWORD
from bench.workload import Source
from muniment.demo.dovecot import Dovecot

_HEAD = """\
[general]
accounts = {names}
metadata = {folder}/state
maxsyncaccounts = 1
"""

_ACCOUNT = """
[Account {name}]
localrepository = {name}-near
remoterepository = {name}-far

[Repository {name}-near]
type = Maildir
localfolders = {folder}/mail/{name}

[Repository {name}-far]
type = IMAP
remotehost = {server.host}
remoteport = {server.port}
remoteuser = {address}*{master}
remotepass = {password}
ssl = no
starttls = no
auth_mechanisms = LOGIN
readonly = True
"""


class OfflineImap(CommandPeer):
    """A single offlineimap process that archives one mailbox after another."""

    def __init__(self) -> None:
        super().__init__("offlineimap3", find("offlineimap", "offlineimap3"), stumbles=True)  # on 8-bit headers

    def plan(self, server: Dovecot, source: Source, folder: Path) -> Plan:
        """Write one account per mailbox."""
        names = box_names(source)
        text = _HEAD.format(names=", ".join(names), folder=folder)
        for name, address in zip(names, source.addresses, strict=True):
            text += _ACCOUNT.format(
                name=name, address=address, server=server, master=MASTER, password=PASSWORD, folder=folder
            )
        (folder / "mail").mkdir()
        configuration = folder / "offlineimaprc"
        configuration.write_text(text)
        return Plan([[self.program, "-o", "-u", "quiet", "-c", str(configuration)]], folder / "mail", "*:2,*")
