"""The command line, as users and scripts use it, with the real system and a real mail server."""

from __future__ import annotations

import imaplib
import json
import os
import pty
import pwd
import re
import signal
import threading
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import asyncpg
import psutil
import pytest

from muniment.cli.kit.exit_codes import ExitCode
from muniment.embedded import endpoints
from muniment.resources import open_database_as_owner
from muniment.services.resources import Resources
from tests.support import processes
from tests.support.dovecot import MASTER_PASSWORD
from tests.support.imap_script import Fault, Script
from tests.support.imap_server import running_imap_server
from tests.support.scripted import mailbox
from tests.support.shell import NewAddress, Shell
from tests.support.waiting import wait_until


def test_the_main_job(shell: Shell, new_address: NewAddress, tmp_path: Path) -> None:
    """The documented commands create a profile and archive, search, export and verify mail."""
    address = new_address()
    source = shell.mailbox(address, 60)
    added = shell.master("main", tmp_path, address)
    assert (added.code, added.stdout) == (ExitCode.OK, "profile main added: master, 1 mailbox\n")

    probe = shell.json("profile", "test", "main")
    finished = shell.run("profile", "run", "main", "--wait")

    assert (probe["mailbox"], probe["messages"]) == (address, 60)
    assert finished.code == ExitCode.OK, finished.stderr
    run_id = finished.stdout.strip()
    run = shell.json("run", "show", run_id)
    assert (run["state"], run["mailboxes"]["done"], run["messages"]["archived"]) == ("succeeded", 1, 60)
    assert run["id"] in [one["id"] for one in shell.json("run", "list")]

    exported = tmp_path / "export"
    shell.ok("export", "--user", address, "--format", "eml", "--to", str(exported))
    assert Counter(sha256(file.read_bytes()).hexdigest() for file in exported.rglob("*.eml")) == source

    wait_until(lambda: shell.json("status")["index"]["coverage"] == 1, "everything is indexed")
    found = shell.json("search", "the", "--user", address)
    assert {place["user"] for hit in found["hits"] for place in hit["places"]} == {address}
    assert all(hit["sha256"] in source for hit in found["hits"])
    assert shell.json("verify")["damage"] == []


@pytest.mark.parametrize(
    ("arguments", "without"),
    [
        (["user", "list"], {"celery", "kombu", "redis", "opensearchpy", "aiohttp", "aioimaplib", "structlog"}),
        (["search", "the"], {"celery", "kombu", "redis", "opensearchpy", "aiohttp", "aioimaplib", "structlog"}),
        (["status"], {"celery", "kombu", "opensearchpy", "aiohttp", "aioimaplib", "structlog"}),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_commands_import_what_they_use(shell: Shell, arguments: list[str], without: set[str]) -> None:
    """Nearly all of a short command's time is spent on imports, so it imports no library that it does not use."""
    finished = shell.run(*arguments, PYTHONPROFILEIMPORTTIME="1", MUNIMENT_ADMINISTRATORS_SEARCH="true")

    assert finished.code == ExitCode.OK, finished.stderr
    lines = [line for line in finished.stderr.splitlines() if line.startswith("import time:")]
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in lines}
    assert "muniment" in imported
    assert imported & without == set()
    assert len(lines) < 720


def test_searching(shell: Shell, new_address: NewAddress, tmp_path: Path) -> None:
    """The archive is searched page by page; the index is shown, compared and rebuilt; a search is saved."""
    address = new_address()
    shell.mailbox(address, 20)
    shell.master("searching", tmp_path, address)
    shell.ok("profile", "run", "searching", "--wait")
    wait_until(lambda: shell.json("index", "status")["coverage"] == 1, "everything is indexed")
    first = shell.json("search", "--user", address, "--limit", "15", "--facets", "larger:1")
    second = shell.json("search", "--user", address, "--limit", "15", "--page", first["next"], "larger:1")
    shown = shell.ok("search", "--user", address, "--snippets", "--facets", "the OR die")
    bare = shell.json("search", "--user", address, "the OR die")
    quoting = shell.json("search", "--user", address, "--snippets", "the OR die")
    wrong = shell.run("search", "--user", address, "form:the")
    lone = shell.run("search", "--user", address, "(the")
    everybody = shell.run("search", "the")
    compared = shell.json("index", "compare")
    rebuilt = shell.ok("index", "rebuild")
    status = shell.ok("index", "status")
    shell.ok("saved-search", "add", "all", "the OR die", "--user", address)
    counted = shell.ok("saved-search", "run", "all", "--user", address)
    (saved,) = shell.json("saved-search", "list", "--user", address)
    shell.ok("saved-search", "remove", "all", "--user", address)

    hits = [hit["sha256"] for page in (first, second) for hit in page["hits"]]
    assert first["total"] == second["total"] == len(hits) == len(set(hits)) > 15
    assert sum(len(hit["places"]) for page in (first, second) for hit in page["hits"]) == 20
    assert sum(first["facets"]["folder"].values()) >= first["total"]
    assert second["next"] == ""
    assert "messages found" in shown
    assert [hit["snippet"] for hit in bare["hits"]] == [None] * len(bare["hits"])
    assert any(hit["snippet"] for hit in quoting["hits"])
    assert (wrong.code, "Did you mean from:?" in wrong.stderr) == (ExitCode.MISCONFIGURED, True)
    assert (lone.code, "has no partner and is ignored" in lone.stderr) == (0, True)
    assert (everybody.code, "--user NAME" in everybody.stderr) == (ExitCode.REFUSED, True)
    assert all((one["missing"], one["orphans"]) == (0, 0) for one in compared)
    assert rebuilt.endswith("done\n")
    assert "100% of the messages" in status
    assert counted == f"{saved['results']} messages found\n"
    assert ("archive searched", address) in {(one["action"], one["subject"]) for one in shell.json("audit")}


def test_second_run_archives_nothing(shell: Shell, new_address: NewAddress, tmp_path: Path) -> None:
    """Known messages are not archived again."""
    address = new_address()
    shell.mailbox(address, 20)
    shell.master("again", tmp_path, address)
    shell.ok("profile", "run", "again", "--wait")

    run_id = shell.ok("profile", "run", "again", "--wait").strip()

    assert shell.json("run", "show", run_id)["messages"]["archived"] == 0


def test_failed_mailboxes_make_the_run_fail(shell: Shell, new_address: NewAddress, tmp_path: Path) -> None:
    """One address that the server does not know: exit code 3, mailbox, reason and hint; the others are archived."""
    good, bad = new_address(), new_address()
    shell.mailbox(good, 10)
    shell.master("partly", tmp_path, good, bad)

    finished = shell.run("profile", "run", "partly", "--wait")

    assert finished.code == ExitCode.MAILBOXES_FAILED
    assert finished.stdout.strip().isdigit()
    assert finished.stderr.count(f"failed: {bad}") == 1
    assert "hint: " in finished.stderr
    run = shell.json("run", "show", finished.stdout.strip())
    assert (run["mailboxes"]["done"], run["mailboxes"]["failed"]) == (1, 1)
    assert [failure["mailbox"] for failure in run["failures"]] == [bad]
    assert shell.run("run", "show", finished.stdout.strip(), "--follow").code == ExitCode.MAILBOXES_FAILED


def test_a_run_that_lacks_messages(shell: Shell, new_address: NewAddress, tmp_path: Path) -> None:
    """Such a run is incomplete, with an exit code of its own, until the missing message is accepted."""
    address = new_address()
    shell.mailbox(address, 10)
    stub = (
        b"From: Microsoft Exchange Server\r\nSubject: Retrieval using the IMAP4 protocol failed for the following "
        b"message: 7\r\n\r\nThe server couldn't retrieve the following message:\r\n"
    )
    with imaplib.IMAP4(shell.dovecot.host, shell.dovecot.port) as user:
        user.login(address, "own password")
        user.append("INBOX", "", "", stub)
    shell.master("lacking", tmp_path, address, options=("--delete", "at-once"))

    finished = shell.run("profile", "run", "lacking", "--wait")
    run_id = finished.stdout.strip()
    shown = shell.ok("run", "show", run_id)
    (missing,) = shell.json("quarantine", "list", "--mailbox", address)
    number = str(missing["id"])
    told = shell.ok("quarantine", "show", number)
    shell.ok("quarantine", "export", number, "--output", str(tmp_path / "stub.eml"))
    again = shell.run("quarantine", "export", number, "--output", str(tmp_path / "stub.eml"))
    accepted = shell.ok("quarantine", "accept", number, "--reason", "a calendar entry")
    second = shell.run("profile", "run", "lacking", "--wait")
    results = shell.json("run", "show", second.stdout.strip())["results"]

    assert finished.code == ExitCode.INCOMPLETE
    assert "11 on the server, 10 proven, 1 missing" in finished.stderr
    assert [one["state"] for one in shell.json("run", "list") if str(one["id"]) == run_id] == ["incomplete"]
    assert [line.split()[:4] for line in shown.splitlines() if line.startswith(f"{address} ")] == [
        [address, "incomplete", "11", "10"]
    ]
    assert "Exchange cannot convert the message" in told
    assert (tmp_path / "stub.eml").read_bytes() == stub
    assert (again.code, "exists already" in again.stderr) == (ExitCode.MISCONFIGURED, True)
    assert accepted.startswith("accepted as missing: 1 message\n")
    assert "`muniment profile run lacking --wait`" in accepted
    assert second.code == ExitCode.OK, second.stderr
    assert "1 accepted as missing" in second.stderr
    assert [(one["mailbox"], one["messages"]["accepted"]) for one in results] == [(address, 1)]
    assert shell.json("quarantine", "list", "--accepted", "--mailbox", address)[0]["accepted"]["reason"] == (
        "a calendar entry"
    )
    assert shell.run("run", "show", "999999999999999999").code == ExitCode.NOT_FOUND
    with imaplib.IMAP4(shell.dovecot.host, shell.dovecot.port) as user:
        user.login(address, "own password")
        user.select("INBOX", readonly=True)
        assert user.search(None, "SUBJECT", "Retrieval")[1] != [b""]


def test_ctrl_c_ends_the_watching_and_not_the_run(shell: Shell, new_address: NewAddress, tmp_path: Path) -> None:
    """After Ctrl-C, the command says that the run continues and how to cancel it, and the run does continue."""
    go_on = threading.Event()
    script = Script(mailboxes={address: mailbox(address, messages=5) for address in (new_address(), new_address())})
    script.faults = [Fault("UID FETCH", containing="BODY", until=go_on)]
    with running_imap_server(script) as server:
        there = ("--host", server.host, "--port", str(server.port))
        shell.master("watched", tmp_path, *script.mailboxes, options=there)

        with shell.start("profile", "run", "watched", "--wait") as waiting:
            waiting.wait_for_line(" running: mailboxes ")
            code = waiting.interrupt()
            run_id = waiting.stdout.strip()
        go_on.set()

        assert code == ExitCode.INTERRUPTED
        assert f"muniment run cancel {run_id}" in waiting.stderr
        assert shell.run("run", "show", run_id, "--follow").code == ExitCode.OK
        assert shell.json("run", "show", run_id)["messages"]["archived"] == 2 * 3 * 5


def test_cancel(shell: Shell, new_address: NewAddress, tmp_path: Path) -> None:
    """A cancelled run ends as cancelled, the exit code of --follow says so, and it cannot be cancelled twice."""
    addresses = [new_address() for _ in range(3)]
    script = Script(mailboxes={address: mailbox(address) for address in addresses})
    script.faults = [Fault("UID FETCH", containing="BODY", hang=True)]  # the run ends only because it is cancelled
    with running_imap_server(script) as server:
        there = ("--host", server.host, "--port", str(server.port), "--max-jobs", "1")
        added = shell.master("stopped", tmp_path, *addresses, options=there)
        assert added.code == ExitCode.OK, added.stderr
        run_id = shell.ok("profile", "run", "stopped").strip()
        wait_until(lambda: server.sent("UID FETCH"), "the run to be in the middle of a mailbox")

        shell.ok("run", "cancel", run_id)

        assert shell.run("run", "show", run_id, "--follow").code == ExitCode.CANCELLED
        assert shell.run("run", "cancel", run_id).code == ExitCode.CONFLICT


def test_csv_and_single_profiles(shell: Shell, new_address: NewAddress, tmp_path: Path) -> None:
    """Mailboxes with their own logins are archived for the users named in the file or with --archive."""
    first, second = new_address(), new_address()
    for address in (first, second):
        shell.mailbox(address, 10)
    file = tmp_path / "logins.csv"
    file.write_text(f"login;password;address;user\n{first};own password;{first};Person {first}\n")
    where = ("--host", shell.dovecot.host, "--port", str(shell.dovecot.port), "--access", "imap")
    server = (*where, "--always-exclude", "none")

    shell.ok("profile", "add", "list", "--kind", "csv", "--csv", str(file), *server)
    single = ("--kind", "single", "--user", second, "--password-stdin", "--archive", f"Person {second}")
    shell.ok("profile", "add", "one", *single, *server, stdin="own password\n")
    for name in ("list", "one"):
        shell.ok("profile", "run", name, "--wait")

    names = {user["name"] for user in shell.json("user", "list")}
    assert {f"Person {first}", f"Person {second}"} <= names
    for address in (first, second):
        report = shell.json(
            "export", "--user", f"Person {address}", "--format", "mbox", "--to", str(tmp_path / address)
        )
        assert report["messages"] == 10


def test_profiles_are_changed_exported_and_imported(shell: Shell, new_address: NewAddress, tmp_path: Path) -> None:
    """`edit` changes only the named fields, `export` and `import` copy a profile, `audit` lists all of it."""
    addresses = [new_address() for _ in range(2)]
    for address in addresses:
        shell.mailbox(address, 3)
    shell.master("edited", tmp_path, *addresses)
    only_one, exported, secret = tmp_path / "one.txt", tmp_path / "edited.toml", tmp_path / "password"
    only_one.write_text(f"{addresses[1]}\n")
    secret.write_text(MASTER_PASSWORD)
    secret.chmod(0o600)

    shell.ok("profile", "edit", "edited", "--set", "max_jobs=3", "--mailboxes", str(only_one))
    exported.write_text(shell.ok("profile", "export", "edited"))
    shell.ok("profile", "import", str(exported), "--name", "copied", "--password-file", str(secret))
    finished = [shell.run("profile", "run", name, "--wait") for name in ("edited", "copied")]
    entries = shell.json("audit", "--of", "edited")
    refused = {
        "needs a terminal": shell.run("profile", "edit", "edited"),
        "expected FIELD=VALUE": shell.run("profile", "edit", "edited", "--set", "max_jobs"),
        "unknown field `max_job`": shell.run("profile", "edit", "edited", "--set", "max_job=1"),
        "is not an e-mail address": shell.run("profile", "edit", "edited", "--set", 'mailboxes.addresses=["x"]'),
        "takes no CSV file": shell.run("profile", "edit", "edited", "--csv", str(only_one)),
        "exists already": shell.run("profile", "import", str(exported), "--password-file", str(secret)),
    }

    assert [one.code for one in finished] == [ExitCode.OK, ExitCode.OK], finished
    changed = shell.json("profile", "show", "edited")
    assert (changed["max_jobs"], changed["mailboxes"]) == (3, 1)
    assert shell.json("profile", "export", "copied")["mailboxes"] == {"addresses": [addresses[1]]}
    assert [entry["action"] for entry in entries] == ["run started", "profile changed", "profile added"]
    assert [sentence for sentence, run in refused.items() if run.code == 0 or sentence not in run.stderr] == []
    assert MASTER_PASSWORD not in exported.read_text() + shell.ok("audit", "--json")


def test_accepted_certificates_are_a_warning_everywhere(shell: Shell, new_address: NewAddress, tmp_path: Path) -> None:
    """A profile that does not verify certificates says so wherever it or its runs are shown."""
    address = new_address()
    shell.mailbox(address, 5)
    tls = ("--access", "imap-ssl", "--port", str(shell.dovecot.tls_port), "--accept-all-certificates")
    added = shell.master("trusting", tmp_path, address, options=tls)
    finished = shell.run("profile", "run", "trusting", "--wait")
    run_id = finished.stdout.strip()

    told = {
        "profile add": added.stderr,
        "profile run": finished.stderr,
        "profile show": shell.ok("profile", "show", "trusting"),
        "profile list": shell.ok("profile", "list"),
        "run show": shell.ok("run", "show", run_id),
        "run list": shell.ok("run", "list"),
    }

    assert [where for where, text in told.items() if "accepts all certificates" not in text] == []
    assert shell.json("run", "show", run_id)["warnings"] != []


def test_untrusted_certificate_is_refused(shell: Shell, new_address: NewAddress, tmp_path: Path) -> None:
    """Without --accept-all-certificates, a self-signed certificate fails the test with a hint."""
    address = new_address()
    shell.mailbox(address, 1)
    shell.master("careful", tmp_path, address, options=("--access", "imap-ssl", "--port", str(shell.dovecot.tls_port)))

    finished = shell.run("profile", "test", "careful")

    assert finished.code == ExitCode.REFUSED
    assert "--accept-all-certificates" in finished.stderr


def test_errors_leave_standard_output_clean(shell: Shell) -> None:
    """With --json, a failing command prints nothing on standard output that breaks a parser."""
    finished = shell.run("run", "show", "999999", "--json")

    assert (finished.code, finished.stdout) == (ExitCode.NOT_FOUND, "")
    assert finished.stderr.startswith("error: there is no run 999999\nhint: ")


def test_key_is_made_once_and_replaced_when_lost(shell: Shell, tmp_path: Path) -> None:
    """An existing key is not replaced; what needs the key refuses another one until `key reset` adopts it."""
    again = shell.run("key", "create")
    other = str(tmp_path / "other.key")
    made = shell.run("key", "create", MUNIMENT_SECRET_KEY_FILE=other)
    refused = shell.run("profile", "test", "any", MUNIMENT_SECRET_KEY_FILE=other)
    asked = shell.run("key", "reset", MUNIMENT_SECRET_KEY_FILE=other, stdin="n\n")

    assert (again.code, made.code) == (ExitCode.CONFLICT, ExitCode.OK)
    assert Path(other).stat().st_mode & 0o777 == 0o600
    assert refused.code == ExitCode.MISCONFIGURED
    assert "muniment key reset" in refused.stderr
    assert asked.code == ExitCode.INTERRUPTED
    assert shell.run("status").code == ExitCode.OK


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("profile", "show", "nope"), ExitCode.NOT_FOUND),
        (("profile", "run", "nope"), ExitCode.NOT_FOUND),
        (("profile", "remove", "nope"), ExitCode.NOT_FOUND),
        (("profile", "test", "nope"), ExitCode.NOT_FOUND),
        (("run", "cancel", "999999"), ExitCode.NOT_FOUND),
        (("export", "--user", "nope", "--format", "eml", "--to", "/nonexistent/x"), ExitCode.NOT_FOUND),
        (("search", "word", "--user", "nope"), ExitCode.NOT_FOUND),
        (("search", " ", "--user", "nope"), ExitCode.MISCONFIGURED),
        (("index", "compare", "--store", "nope"), ExitCode.NOT_FOUND),
        (("index", "rebuild", "--store", "nope"), ExitCode.NOT_FOUND),
        (("index", "problems", "--store", "nope"), ExitCode.NOT_FOUND),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, tuple) else value.name,
)
def test_what_does_not_exist(shell: Shell, arguments: tuple[str, ...], code: ExitCode) -> None:
    """Each command reports the error and exits with the documented code."""
    finished = shell.run(*arguments)

    assert (finished.code, finished.stdout) == (code, "")
    assert finished.stderr.startswith("error: ")


def test_profiles_are_replaced_and_removed(shell: Shell, new_address: NewAddress, tmp_path: Path) -> None:
    """Names are unique; --replace changes a profile, and remove deletes it."""
    address = new_address()
    shell.master("changing", tmp_path, address)

    assert shell.master("changing", tmp_path, address).code == ExitCode.CONFLICT
    changed = shell.master("changing", tmp_path, address, options=("--replace", "--max-jobs", "3"))
    assert changed.code == ExitCode.OK, changed.stderr
    assert shell.json("profile", "show", "changing")["max_jobs"] == 3
    assert shell.json("profile", "remove", "changing") == {"profile": "changing", "removed": True}
    assert "changing" not in {profile["name"] for profile in shell.json("profile", "list")}


def test_users(shell: Shell, new_address: NewAddress) -> None:
    """A user has a primary address and others; names and addresses are unique."""
    first, second = new_address(), new_address()
    shell.ok("user", "add", f"U {first}", "--email", first, "--email", second)

    assert [u["addresses"] for u in shell.json("user", "list") if u["name"] == f"U {first}"] == [[first, second]]
    assert shell.run("user", "add", f"U {first}", "--email", new_address()).code == ExitCode.CONFLICT
    assert shell.run("user", "add", "other", "--email", second).code == ExitCode.CONFLICT


def test_password_prompt_does_not_echo(shell: Shell, new_address: NewAddress) -> None:
    """On a terminal, the password is prompted for without echo, and works."""
    address = new_address()
    shell.mailbox(address, 1)
    arguments = ("--kind", "single", "--user", address, "--access", "imap")
    server = ("--host", shell.dovecot.host, "--port", str(shell.dovecot.port))
    command = processes.command("profile", "add", f"typed {address}", *arguments, *server)

    shown = typed_into(command, processes.child_environment(shell.environ), "Password", "own password")

    assert "own password" not in shown
    assert "added" in shown
    assert shell.json("profile", "test", f"typed {address}")["messages"] == 1


def test_no_output_holds_a_password(shell: Shell, new_address: NewAddress, tmp_path: Path) -> None:
    """No output about a profile or its runs, in any format, contains the password."""
    address = new_address()
    shell.mailbox(address, 1)
    shell.master("secretive", tmp_path, address)
    run_id = shell.ok("profile", "run", "secretive", "--wait").strip()

    told = [
        shell.ok(*words, *as_json)
        for words in (("profile", "list"), ("profile", "show", "secretive"), ("run", "show", run_id), ("status",))
        for as_json in ((), ("--json",))
    ]

    assert [text for text in told if MASTER_PASSWORD in text] == []


async def test_damage_is_named_and_ends_with_four(shell: Shell, new_address: NewAddress, tmp_path: Path) -> None:
    """A flipped bit in the store is reported by verify and excluded from an export; both exit with code 4."""
    address = new_address()
    shell.mailbox(address, 12)
    shell.master("damaged", tmp_path, address)
    shell.ok("profile", "run", "damaged", "--wait")
    async with shell.up.resources() as resources:
        before = await damage_one(resources, address)
        try:
            verified = shell.run("verify", "--json")
            exported = shell.run("export", "--user", address, "--format", "eml", "--to", str(tmp_path / "export"))
        finally:
            await restore(resources, before)

    assert verified.code == ExitCode.DAMAGED
    damage = json.loads(verified.stdout)["damage"]
    assert damage
    assert all(address in place["where"] for place in damage)
    assert exported.code == ExitCode.DAMAGED
    assert "damaged" in exported.stderr
    assert shell.run("verify").code == ExitCode.OK


def test_schema_is_up_to_date_under_up(shell: Shell) -> None:
    """`muniment up` has migrated the database; migrating again does nothing."""
    assert shell.ok("migrate") == "the schema is up to date\n"
    assert shell.ok("migrate", "--check") == "the schema is up to date\n"


def test_more_workers_can_be_added(shell: Shell) -> None:
    """`muniment worker` prints its command, joins, appears in the status, and exits on SIGTERM."""
    with shell.start("worker", "--concurrency", "2") as worker:
        worker.wait_for_line("running: celery -A workers worker -Q archive --pool=threads -c 2")
        wait_until(lambda: worker.pid in archive_pids(shell), "the worker reports")
        code = worker.stop()

    assert code == 0
    wait_until(lambda: worker.pid not in archive_pids(shell), "the worker is gone")


def test_status_sees_everything(shell: Shell) -> None:
    """All three kinds of processes are alive, and the queue lengths are known."""
    status = shell.json("status")

    assert {process["kind"] for process in status["processes"] if process["alive"]} == {"scheduler", "archive", "index"}
    assert set(status["queues"]) == {"archive", "index"}
    assert None not in status["queues"].values()


def test_second_up_is_refused(shell: Shell) -> None:
    """A second `up` on the same data folder reports who uses it, and disturbs nothing."""
    finished = shell.run("up")

    assert (finished.code, finished.stdout) == (ExitCode.CONFLICT, "")
    assert f"Muniment is already running on {shell.up.data} (process {shell.up.up.pid})" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert psutil.pid_exists(shell.up.up.pid)
    assert shell.run("status").code == ExitCode.OK


def archive_pids(shell: Shell) -> set[int]:
    """Return the names of the processes that report as archive workers."""
    return {process["pid"] for process in shell.json("status")["processes"] if process["kind"] == "archive"}


async def damage_one(resources: Resources, address: str) -> tuple[int, int, bytes]:
    """Flip a bit in the stored bytes of a message that only this mailbox contains; return what to restore."""
    async with resources.database.session() as session:
        message_id: int = await session.value(
            """SELECT message_id FROM entries JOIN folders ON folders.id = folder_id
               JOIN mailboxes ON mailboxes.id = mailbox_id GROUP BY message_id
               HAVING bool_and(address = $1) LIMIT 1""",
            address,
        )
        data: bytes = await session.value("SELECT data FROM contents WHERE message_id = $1 AND part = 0", message_id)
        broken = bytes([*data[:-5], data[-5] ^ 1, *data[-4:]])
    await _overwrite(resources, message_id, 0, broken)
    return message_id, 0, data


async def restore(resources: Resources, before: tuple[int, int, bytes]) -> None:
    """Restore the undamaged bytes."""
    await _overwrite(resources, *before)


async def _overwrite(resources: Resources, *part: object) -> None:
    """Replace a part of a message's content as the owner of the tables: Muniment itself cannot."""
    embedded = replace(resources.settings, database_url=None)
    async with open_database_as_owner(embedded) as owner, owner.database.session() as session:
        await session.execute("UPDATE contents SET data = $3 WHERE message_id = $1 AND part = $2", *part)


def typed_into(command: list[str], environ: dict[str, str], prompt: str, answer: str) -> str:
    """Run a command on a terminal, type `answer` after `prompt`, and return everything that the terminal showed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(command[0], command, environ)
    shown = b""
    typed = False
    try:
        while chunk := _read(terminal):
            shown += chunk
            if not typed and prompt.encode() in shown:
                os.write(terminal, answer.encode() + b"\n")
                typed = True
    finally:
        os.close(terminal)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return shown.decode(errors="replace")


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # on Linux: the other side has closed the terminal
        return b""


async def test_every_command_is_in_the_log_under_its_account(shell: Shell, tmp_path: Path) -> None:
    """What the environment claims does not make the actor, and nobody who runs commands can take the row back."""
    address = f"auditor{os.getpid()}@example.com"
    forged = {"SUDO_USER": "mallory", "LOGNAME": "mallory", "USER": "mallory", "SUDO_UID": "4711"}

    assert shell.run("user", "add", address, "--email", address, **forged).code == ExitCode.OK
    assert shell.run("user", "add", address, "--email", address, **forged).code == ExitCode.CONFLICT
    assert shell.run("export", "--user", "nobody@nowhere", "--format", "eml", "--to", str(tmp_path / "x")).code
    entries = shell.json("audit")
    table = shell.ok("audit")
    database = shell.json("status")["database"]

    failed, added = [one for one in entries if one["subject"] == address]
    assert [one["action"] for one in (added, failed)] == ["user added"] * 2
    assert [one["outcome"] for one in (added, failed)] == ["done", "failed"]
    account = pwd.getpwuid(os.getuid()).pw_name
    assert added["who"].startswith(f"{account}@")
    assert (added["process"]["uid"], added["process"]["account"]) == (os.getuid(), account)
    assert added["claimed"] == "mallory"
    assert added["role"] == "muniment_runtime"
    exported = [one["outcome"] for one in entries if one["subject"] == "nobody@nowhere"]
    assert exported == ["failed", "begun"]
    assert "mallory" in table
    assert database == {"role": "muniment_runtime", "owner": "muniment", "problems": []}
    published = endpoints.read(shell.up.data)
    assert published is not None
    assert published.database_url is not None
    connection = await asyncpg.connect(published.database_url.reveal())
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM audit")
    finally:
        await connection.close()
    for role in ("postgres", "muniment"):
        with pytest.raises((asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError)):
            await asyncpg.connect(re.sub("//.*@", f"//{role}@", published.database_url.reveal()))


def test_no_worker_holds_the_owners_url(shell: Shell) -> None:
    """The environment of no process of a running `up` has the owner's password."""
    owner = endpoints.owner_url(shell.up.data)
    assert owner is not None
    password = owner.reveal().partition("@")[0].rpartition(":")[2]
    children = psutil.Process(shell.up.up.process.pid).children(recursive=True)

    assert len(children) >= 4
    assert [child.cmdline() for child in children if password in str(child.environ())] == []
    assert [child.cmdline() for child in children if password in str(child.cmdline())] == []
