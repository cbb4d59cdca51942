"""The environment of the demo: a mail server with generated mail and a separate Muniment, both removed afterwards."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import click

from muniment.demo.dovecot import Dovecot
from muniment.demo.mail import generate_addresses, generate_mailbox
from muniment.demo.maildir import served_bytes
from muniment.embedded.child import command
from muniment.errors import Conflict, Misconfigured, Permanent
from muniment.settings import without_settings

MASTER = "archiver"
MASTER_PASSWORD = "correct horse battery staple"

_MAILBOXES = 12
_MESSAGES_EACH = 170
_MAILBOX_PASSWORD = "nobody logs in with this one"

_READY_SECONDS = 120.0
_STOP_SECONDS = 60.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Mail:
    """The contents of the mail server: for each mailbox, the SHA-256 of every message and its number of copies."""

    hashes: Mapping[str, Counter[str]]
    folders: int
    bytes: int

    @property
    def messages(self) -> int:
        """The number of messages, counting copies."""
        return sum(counter.total() for counter in self.hashes.values())


def fill(server: Dovecot) -> Mail:
    """Fill the server with realistic mailboxes and return their contents."""
    hashes: dict[str, Counter[str]] = {}
    folders = size = 0
    for seed, address in enumerate(generate_addresses(_MAILBOXES)):
        mailbox = generate_mailbox(seed, _MESSAGES_EACH, owner=address)
        server.add_user(address, _MAILBOX_PASSWORD)
        server.load(address, mailbox)
        served = [served_bytes(message.raw) for messages in mailbox.values() for message in messages]
        hashes[address] = Counter(sha256(raw).hexdigest() for raw in served)
        folders += len(mailbox)
        size += sum(map(len, served))
    return Mail(hashes, folders, size)


@contextmanager
def data_folder(data: Path | None, *, keep: bool) -> Iterator[Path]:
    """Yield the demo's data folder: `data`, which is kept, or a temporary one, which is removed unless `keep`.

    Raises Conflict if `data` is not empty: the demo never runs on an existing archive.
    """
    if data is not None:
        if data.exists() and any(data.iterdir()):
            raise Conflict(f"{data} is not empty", hint="Specify a new or empty folder, or omit --data.")
        try:
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(f"cannot use {data}: {error.strerror}") from error
        yield data.resolve()
        return
    folder = Path(tempfile.mkdtemp(prefix="muniment-demo-")).resolve()
    try:
        yield folder
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


class Shell:
    """Runs `muniment` commands in `folder` and shows them with their output, as a user would see them."""

    def __init__(self, folder: Path, data: Path, certificate: Path) -> None:
        self.folder = folder
        self.variables = {"MUNIMENT_DATA": str(data), "SSL_CERT_FILE": str(certificate)}
        # The user's settings must not point the demo to the user's own archive.
        self.environ = {**without_settings(os.environ), **self.variables}

    def run(self, *arguments: str) -> None:
        """Run a command and show it with its output; Permanent if it fails."""
        self._show(arguments)
        with self._start(arguments, None) as process:
            pass
        self._check(arguments, process.returncode)

    def run_and_read(self, *arguments: str) -> str:
        """Like `run`; also return what the command printed on standard output."""
        self._show(arguments)
        lines: list[str] = []
        with self._start(arguments, subprocess.PIPE) as process:
            for line in process.stdout or ():
                click.echo(line, nl=False)
                lines.append(line)
        self._check(arguments, process.returncode)
        return "".join(lines)

    def ask(self, *arguments: str) -> Any:
        """Run a command with `--json` without showing it, and return the result; Permanent if it fails."""
        with self._start((*arguments, "--json"), subprocess.PIPE) as process:
            output, _ = process.communicate()
        self._check(arguments, process.returncode)
        return json.loads(output)

    def _show(self, arguments: tuple[str, ...]) -> None:
        click.echo(click.style("$ ", fg="green") + click.style(shlex.join(["muniment", *arguments]), bold=True))

    def _start(self, arguments: tuple[str, ...], output: int | None) -> subprocess.Popen[str]:
        sys.stdout.flush()
        return subprocess.Popen(
            [sys.executable, "-m", "muniment.cli", *arguments],
            env=self.environ,
            cwd=self.folder,
            stdout=output,
            # In a file or pipe, keep all output in order; on a terminal, both streams are the terminal anyway.
            stderr=None if sys.stdout.isatty() else sys.stdout,
            text=True,
        )

    def _check(self, arguments: tuple[str, ...], code: int) -> None:
        if code:
            raise Permanent(f"`muniment {shlex.join(arguments)}` ended with exit code {code}")


@contextmanager
def running_muniment(shell: Shell, log: Path) -> Iterator[None]:
    """Run `muniment up` in the background, with its output in `log`; yield when it is ready, and stop it afterwards."""
    # `command` makes it shut down cleanly even if this process is killed.
    argv = command((sys.executable, "-m", "muniment.cli", "up"), None, signal.SIGTERM)
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            env=shell.environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches only the demo, which then stops everything in order
        )
    try:
        _wait_until_ready(process, log)
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()  # its servers die with it
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while "ready" not in (lines := log.read_text(errors="replace").splitlines()):
        if process.poll() is not None or time.monotonic() > deadline:
            said = "\n".join(lines[-10:])
            raise Permanent(f"`muniment up` did not become ready\n{said}", hint="Run `muniment up` on its own.")
        time.sleep(_POLL_SECONDS)
