"""`muniment demo`: all of Muniment in a minute, with the commands that a user would type."""

from __future__ import annotations

import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import click

from muniment.demo.dovecot import Dovecot, find_dovecot
from muniment.demo.stage import MASTER, MASTER_PASSWORD, Mail, Shell, data_folder, fill, running_muniment
from muniment.errors import Permanent

_PROFILE = "office"
_INDEX_SECONDS = 60.0
_POLL_SECONDS = 0.5
_FILES_SHOWN = 6


def show(*, data: Path | None, keep: bool) -> None:
    """Run the demo on standard output. `data`: folder for all data, which is kept; `keep`: keep the temporary folder.

    Raises Misconfigured if Dovecot is missing, Conflict if `data` is not empty, Permanent if a step fails.
    """
    find_dovecot()  # before anything is started
    with _orderly_end(), data_folder(data, keep=keep) as folder:
        _play(folder)
        if keep or data:
            click.echo(
                f"The archive is kept in {folder} (the mail server is gone). To start it again:\n"
                f"    muniment up --data {folder}"
            )


def _play(folder: Path) -> None:
    started = time.monotonic()
    _scene("A private mail server with generated mail")
    with Dovecot(masters={MASTER: MASTER_PASSWORD}) as server:
        mail = fill(server)
        _tell(
            f"Dovecot runs on 127.0.0.1 with {len(mail.hashes)} mailboxes, {mail.folders} folders and "
            f"{mail.messages:,} messages ({mail.bytes / 1e6:.0f} MB).",
            f"`{MASTER}` is its master user: a login that can open every mailbox.",
        )
        props = folder / "demo"
        props.mkdir(mode=0o700)
        shell = Shell(props, folder, server.certificate)
        _scene("Muniment")
        _tell("`muniment up` starts PostgreSQL, Valkey, the scheduler, an archive worker and an index worker.")
        _type(f"cd {props}")
        for name, value in shell.variables.items():
            _type(f"export {name}={value}")
        _type("muniment up &")
        with running_muniment(shell, props / "up.log"):
            click.echo("ready")
            _archive(shell, server, mail, props)
            _give_back(shell, mail, props)
    _what_next(time.monotonic() - started)


def _archive(shell: Shell, server: Dovecot, mail: Mail, props: Path) -> None:
    first, *others = mail.hashes
    password, mailboxes = props / "password", props / "mailboxes.txt"
    password.touch(mode=0o600)
    password.write_text(f"{MASTER_PASSWORD}\n")
    mailboxes.write_text("# one address a line\n" + "".join(f"{address}\n" for address in (first, *others)))

    _scene("Users, and a profile that says what to archive")
    _tell("Each user owns an archive. Users for the addresses in a list of mailboxes are created automatically.")
    shell.run("user", "add", first.partition(".")[0], "--email", first)
    options = ["--kind", "master", "--host", server.host, "--port", str(server.tls_port), "--access", "imap-ssl"]
    options += ["--server-kind", "dovecot", "--user", MASTER, "--password-file", password.name]
    options += ["--mailboxes", mailboxes.name, "--always-exclude", "none"]
    shell.run("profile", "add", _PROFILE, *options)
    shell.run("profile", "test", _PROFILE)
    _tell("By default, drafts, junk, deleted mail and the outbox are excluded. This profile includes them.")
    shell.run("profile", "folders", _PROFILE)

    _scene("Archive everything: one job per mailbox, many at the same time")
    run = _run(shell)
    _check(run["messages"]["archived"] == mail.messages, f"all {mail.messages:,} messages were archived")
    shell.run("run", "show", str(run["id"]))

    _scene("Archive again: known messages are not fetched again")
    run = _run(shell)
    _check(run["messages"]["archived"] == 0, "no message was archived twice")


def _give_back(shell: Shell, mail: Mail, props: Path) -> None:
    _scene("Search")
    _wait_for_index(shell)
    user = list(mail.hashes)[1]
    _tell("Users can search only their own archive.")
    shell.run("search", '"quarterly report"', "--user", user, "--limit", "3", "--snippets")
    _check(shell.ask("search", "lieferungen", "--user", user)["total"] > 0, "other forms of a word are also found")

    _scene("Export: exactly the bytes that the mail server sent")
    exported = props / "export"
    address = list(mail.hashes)[1]
    shell.run("export", "--user", address, "--format", "eml", "--to", exported.name)
    files = sorted(exported.rglob("*.eml"))
    one_each = list({file.parent: file for file in files}.values())
    for file in one_each[:: -(-len(one_each) // _FILES_SHOWN)]:
        click.echo(f"    {file.relative_to(exported)}")
    hashes = Counter(sha256(file.read_bytes()).hexdigest() for file in files)
    _check(
        hashes == mail.hashes[address],
        f"the SHA-256 of all {len(files)} files are those of the messages on the mail server",
    )

    _scene("Verify: read every message again and compare its SHA-256")
    shell.run("verify")

    _scene("Status")
    shell.run("status")


def _run(shell: Shell) -> dict[str, Any]:
    run_id = shell.run_and_read("profile", "run", _PROFILE, "--wait").split()[0]
    run: dict[str, Any] = shell.ask("run", "show", run_id)
    return run


def _wait_for_index(shell: Shell) -> None:
    """Wait until the index workers have caught up; Permanent if they do not."""
    deadline = time.monotonic() + _INDEX_SECONDS
    while shell.ask("status")["index"]["coverage"] < 1:
        if time.monotonic() > deadline:
            raise Permanent("the index workers do not catch up", hint="See the logs in the data folder.")
        time.sleep(_POLL_SECONDS)


def _what_next(seconds: float) -> None:
    _scene(f"End of the demo ({seconds:.0f} s)")
    _tell("To archive your own mail server, run these commands in two terminals:")
    for line in (
        "muniment up",
        "muniment profile add NAME --kind master --host mail.example.com --user MASTER --mailboxes FILE",
        "muniment profile test NAME",
        "muniment profile run NAME --wait",
        "muniment flower            # web page with the workers and their tasks",
        "muniment profile add --help",
    ):
        click.echo(f"    {line}")


def _scene(title: str) -> None:
    width = min(shutil.get_terminal_size().columns, 100)
    click.echo()
    click.secho(f"── {title} ".ljust(width, "─"), fg="cyan", bold=True)


def _tell(*lines: str) -> None:
    for line in lines:
        click.echo(line)


def _type(line: str) -> None:
    click.echo(click.style("$ ", fg="green") + click.style(line, bold=True))


def _check(holds: bool, claim: str) -> None:  # noqa: FBT001 - reads as a sentence
    if not holds:
        raise Permanent(f"a check of the demo failed: {claim}", hint="This is a bug in Muniment; please report it.")
    click.echo(click.style("✓ ", fg="green") + claim)


@contextmanager
def _orderly_end() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the demo like Ctrl-C: stop all processes and remove all files."""

    def end(number: int, _: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    previous = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
