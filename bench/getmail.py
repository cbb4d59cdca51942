"""The peer getmail6, which fetches all folders of a mailbox into one Maildir, one mailbox after another."""

from __future__ import annotations

import os
from pathlib import Path

from bench.command import CommandPeer, Plan, box_names, find
from bench.server import MASTER, PASSWORD
from bench.workload import Source
from muniment.demo.account import Account
from muniment.demo.dovecot import Dovecot

_ACCOUNT = """\
[retriever]
type = SimpleIMAPRetriever
server = {server.host}
port = {server.port}
username = {address}*{master}
password = {password}
mailboxes = ALL
[destination]
type = Maildir
path = {maildir}/
{user}
[options]
delete = false
read_all = false
received = false
delivered_to = false
verbose = 0
"""


class Getmail(CommandPeer):
    """A single getmail process for all mailboxes, with one configuration file each."""

    def __init__(self) -> None:
        super().__init__("getmail6", find("getmail", "getmail6"), stumbles=True)  # on malformed headers

    def plan(self, server: Dovecot, source: Source, folder: Path) -> Plan:
        """Write the accounts, and the Maildir folders, which getmail does not create."""
        account = Account.for_mail()
        user = f"user = {account.name}" if os.geteuid() == 0 else ""  # it refuses to deliver as root
        state = folder / "state"
        state.mkdir()
        argv = [self.program, f"--getmaildir={state}"]
        for name, address in zip(box_names(source), source.addresses, strict=True):
            maildir = folder / "mail" / name
            for part in ("cur", "new", "tmp"):
                account.own(_made(maildir / part))
            account.own(maildir)
            configuration = state / name
            configuration.write_text(
                _ACCOUNT.format(
                    server=server, address=address, master=MASTER, password=PASSWORD, maildir=maildir, user=user
                )
            )
            configuration.chmod(0o600)
            argv.append(f"--rcfile={name}")
        return Plan([argv], folder / "mail", "new/*")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder
