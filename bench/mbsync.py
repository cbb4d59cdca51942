"""The peer mbsync (Debian's isync), which mirrors IMAP into Maildir with its default durability, fsync on."""

from __future__ import annotations

from pathlib import Path

from bench.command import CommandPeer, Plan, box_names, find
from bench.server import MASTER, PASSWORD
from bench.workload import Source
from muniment.demo.dovecot import Dovecot

# PullNew is the minimum for an archive: with it, mbsync does not compare the flags of old messages.
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
    """Return the path of mbsync; Misconfigured says what to install."""
    return find("mbsync", "isync")


class Mbsync(CommandPeer):
    """One mbsync for all mailboxes, or with `jobs` above 1 one per mailbox, `jobs` of them at once (`xargs -P`).

    It skips messages with an incomplete header, logs a warning, and exits successfully.
    """

    def __init__(self, jobs: int = 1) -> None:
        super().__init__("mbsync" if jobs == 1 else f"mbsync x{jobs}", find_mbsync(), jobs=jobs)
        self._each = jobs > 1

    def plan(self, server: Dovecot, source: Source, folder: Path) -> Plan:
        """Write one channel per mailbox."""
        names = box_names(source)
        text = ""
        for name, address in zip(names, source.addresses, strict=True):
            (folder / "mail" / name).mkdir(parents=True)
            text += _CHANNEL.format(
                name=name, address=address, server=server, master=MASTER, password=PASSWORD, folder=folder
            )
        configuration = folder / "mbsyncrc"
        configuration.write_text(text)
        words = [[name] for name in names] if self._each else [["--all"]]
        argvs = [[self.program, "--quiet", "--config", str(configuration), *word] for word in words]
        return Plan(argvs, folder / "mail", "*:2,*")
