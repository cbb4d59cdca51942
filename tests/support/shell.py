"""A shell for acceptance tests: `muniment` commands against a running system and a real mail server."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

from muniment.cli.kit.exit_codes import ExitCode
from muniment.demo.dovecot import Dovecot
from muniment.demo.mail import generate_mailbox
from muniment.demo.maildir import served_bytes
from tests.support import processes
from tests.support.dovecot import MASTER, MASTER_PASSWORD
from tests.support.processes import Finished, Running
from tests.support.system import System

NewAddress = Callable[[], str]

_seeds = itertools.count(1000)


class Shell:
    """Runs `muniment` commands against one system."""

    def __init__(self, up: System, dovecot: Dovecot) -> None:
        self.up = up
        self.dovecot = dovecot
        # Not `data=`: the helper would kill everything that uses this folder, including the system.
        self.environ = {**up.environ, "MUNIMENT_DATA": str(up.data)}

    def run(self, *arguments: str, stdin: str = "", **environ: str) -> Finished:
        """Run a command until it exits."""
        return processes.run(*arguments, environ={**self.environ, **environ}, stdin=stdin)

    def ok(self, *arguments: str, stdin: str = "") -> str:
        """Run a command that must succeed, and return its output."""
        finished = self.run(*arguments, stdin=stdin)
        assert finished.code == ExitCode.OK, finished.stderr
        return finished.stdout

    def json(self, *arguments: str) -> Any:
        """Return the output of a command with `--json`, parsed."""
        return json.loads(self.ok(*arguments, "--json"))

    def start(self, *arguments: str) -> Running:
        """Return a command, to be used with `with`."""
        return Running(*arguments, environ=self.environ)

    def mailbox(self, address: str, messages: int) -> Counter[str]:
        """Create a mailbox on the server and return the hashes of its messages."""
        # One seed each: mailboxes with equal contents made within one second look like one mailbox under two names.
        mailbox = generate_mailbox(next(_seeds), messages, owner=address)
        self.dovecot.add_user(address, "own password")
        self.dovecot.load(address, mailbox)
        return Counter(sha256(served_bytes(m.raw)).hexdigest() for mails in mailbox.values() for m in mails)

    def master(self, name: str, folder: Path, *addresses: str, options: tuple[str, ...] = ()) -> Finished:
        """Add a master profile for some addresses."""
        names = folder / f"{name}.txt"
        names.write_text("# mailboxes\n\n" + "\n".join(addresses) + "\n")
        server = ["--host", self.dovecot.host, "--port", str(self.dovecot.port), "--access", "imap"]
        login = ("--user", MASTER, "--password-stdin", "--mailboxes", str(names), "--always-exclude", "none")
        if "--access" in options:
            server = ["--host", self.dovecot.host]
        return self.run(
            "profile", "add", name, "--kind", "master", *server, *login, *options, stdin=MASTER_PASSWORD + "\n"
        )
