"""Profiles with filters, schedules, deletion and many owners, as administrators use them on the real system."""

from __future__ import annotations

import csv
import imaplib
import json
from pathlib import Path

from muniment.cli.kit.exit_codes import ExitCode
from tests.support.shell import NewAddress, Shell
from tests.support.waiting import wait_until


def _uids(shell: Shell, address: str, folder: str = "INBOX") -> list[str]:
    with imaplib.IMAP4(shell.dovecot.host, shell.dovecot.port) as user:
        user.login(address, "own password")
        user.select(folder, readonly=True)
        found: bytes = user.search(None, "ALL")[1][0]
        return found.decode().split()


async def test_a_profile_runs_by_itself(shell: Shell, new_address: NewAddress, tmp_path: Path) -> None:
    """The scheduler starts due profiles, the workers archive their mail, and the next time is shown."""
    address = new_address()
    shell.mailbox(address, 5)
    added = shell.master("nightly", tmp_path, address, options=("--schedule", "daily 22:00", "--time-zone", "UTC"))
    due = shell.json("profile", "show", "nightly")["due"]
    async with shell.up.resources() as resources, resources.database.session() as session:
        await session.execute("UPDATE profiles SET due = now() - interval '2 days' WHERE name = 'nightly'")

    def runs() -> list[dict[str, object]]:
        return [run for run in shell.json("run", "list") if run["profile"] == "nightly"]

    wait_until(lambda: [run for run in runs() if run["state"] == "succeeded"], "the run")

    assert added.code == ExitCode.OK, added.stderr
    [run] = runs()
    assert run["scheduled"] is True
    assert shell.json("profile", "show", "nightly")["due"] == due
    assert due.endswith("T22:00:00Z")
    assert "22:00" in shell.ok("profile", "show", "nightly")


def test_what_if_then_delete_then_the_ledger(shell: Shell, new_address: NewAddress, tmp_path: Path) -> None:
    """A deletion is forecast, then done by the run and recorded in the ledger; all messages are in the archive."""
    address = new_address()
    source = shell.mailbox(address, 30)
    options = ("--delete", "at-once", "--delete-flagged", "--include", "INBOX/.")
    shell.master("empty", tmp_path, address, options=options)
    in_inbox = len(_uids(shell, address))
    listed = tmp_path / "gone.csv"

    told = shell.ok("profile", "run", "empty", "--what-if", "--deletions", str(listed))
    forecast = shell.json("profile", "run", "empty", "--what-if")
    untouched = len(_uids(shell, address))
    finished = shell.run("profile", "run", "empty", "--wait")
    run_id = finished.stdout.strip()
    ledger = shell.json("deletions", "--run", run_id)

    assert f"would archive {in_inbox} messages" in told
    assert f"would delete {in_inbox} messages on the server" in told
    assert "nothing was stored or changed" in told
    with listed.open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == in_inbox
    assert forecast["mailboxes"][0]["deletions"] == untouched == in_inbox
    assert finished.code == ExitCode.OK, finished.stderr
    assert f"{in_inbox} deleted on the server" in finished.stderr
    assert "deletes archived messages on the mail server as soon as they are archived" in finished.stderr
    assert _uids(shell, address) == []
    assert len(ledger) == in_inbox
    assert {row["sha256"] for row in ledger} <= set(source)
    shown = shell.json("message", ledger[0]["sha256"])
    assert shown["places"][0]["deleted"] is not None
    assert "deleted by the profile's rule" in shell.ok("message", ledger[0]["sha256"])
    assert shell.json("verify")["damage"] == []


def test_everybodys_mail(shell: Shell, new_address: NewAddress, tmp_path: Path) -> None:
    """A filtered collecting mailbox is archived for its owners; mail without an owner goes to `@catchall`."""
    collector, ann = new_address(), new_address()
    shell.dovecot.add_user(collector, "own password")
    shell.ok("user", "add", "ann", "--email", ann)
    with imaplib.IMAP4(shell.dovecot.host, shell.dovecot.port) as user:
        user.login(collector, "own password")
        for number, to in enumerate([ann, "somebody@else.example", ann]):
            raw = f"From: x@else.example\r\nTo: {to}\r\nSubject: number {number}\r\n\r\nbody\r\n".encode()
            user.append("INBOX", "(\\Seen)" if number else "", "", raw)
    server = ("--host", shell.dovecot.host, "--port", str(shell.dovecot.port), "--access", "imap")
    options = ("--user", collector, "--password-stdin", "--read", "read", "--inbox", "Post")
    added = shell.run("profile", "add", "journal", "--kind", "multidrop", *server, *options, stdin="own password\n")
    tested = shell.ok("profile", "test", "journal")
    run = shell.run("profile", "run", "journal", "--wait")
    shell.ok("export", "--user", "ann", "--format", "eml", "--to", str(tmp_path / "ann"))
    shell.ok("export", "--user", "@catchall", "--format", "eml", "--to", str(tmp_path / "nobody"))

    assert added.code == ExitCode.OK, added.stderr
    assert "login login" in tested
    assert run.code == ExitCode.OK, run.stderr
    assert "1 left out" in run.stderr
    [message] = json.loads((tmp_path / "ann" / "manifest.json").read_text())["messages"]
    assert message["folder"] == [ann, "Post"]
    [nobodys] = json.loads((tmp_path / "nobody" / "manifest.json").read_text())["messages"]
    assert nobodys["folder"] == ["@catchall", "Unknown E-mail Addresses"]
    refused = shell.run("user", "add", "collector", "--email", collector)
    assert refused.code == ExitCode.CONFLICT
    assert "is a multidrop mailbox" in refused.stderr
