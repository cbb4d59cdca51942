"""Many mailboxes from a CSV file are checked, archived and corrected."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from muniment.cli.kit.exit_codes import ExitCode
from tests.support.shell import NewAddress, Shell

_ROWS = 60
_WRONG = 3


def write(file: Path, addresses: list[str], wrong: set[str]) -> None:
    """Write the file; some rows have a wrong password."""
    rows = [f"{a};{'guessed' if a in wrong else 'own password'};{a};{a}\r\n" for a in addresses]
    file.write_text("\ufeffBenutzer;Kennwort;E-Mail;Archiv\r\n\r\n" + "".join(rows), "utf-8")
    file.chmod(0o600)


def test_a_batch_with_some_wrong_passwords(shell: Shell, new_address: NewAddress, tmp_path: Path) -> None:
    """The check reports exactly the invalid logins, a run archives all others, and a corrected file the rest."""
    addresses = [new_address() for _ in range(_ROWS)]
    for address in addresses:
        shell.mailbox(address, 2)
    wrong = set(addresses[:: _ROWS // _WRONG])
    file, report = tmp_path / "staff.csv", tmp_path / "report.csv"
    write(file, addresses, wrong)
    server = ("--host", shell.dovecot.host, "--port", str(shell.dovecot.port), "--access", "imap", "--max-jobs", "8")

    checked = shell.run("batch", "submit", str(file), *server, "--check", "--report", str(report))
    stored = shell.json("profile", "list")
    as_json = shell.run("batch", "submit", str(file), *server, "--check", "--json")
    archived = shell.run("batch", "submit", str(file), *server, "--always-exclude", "none", "--run", "--wait")
    run = json.loads(shell.run("run", "show", archived.stdout.strip(), "--json").stdout)
    write(file, addresses, set())
    corrected = shell.ok("batch", "submit", str(file), *server, "--always-exclude", "none")
    tested = shell.json("profile", "test", "staff", "--all")
    again = shell.run("profile", "run", "staff", "--wait")

    assert checked.code == ExitCode.MAILBOXES_FAILED
    assert "staff" not in {profile["name"] for profile in stored}
    assert (
        f"{_ROWS - _WRONG} mailboxes can be archived ({2 * (_ROWS - _WRONG)} messages), {_WRONG} cannot"
        in checked.stdout
    )
    with report.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["mailbox"] for row in rows if row["ok"] == "False"} == wrong
    assert [int(row["line"]) for row in rows] == list(range(3, _ROWS + 3))
    assert {row["mailbox"] for row in json.loads(as_json.stdout) if not row["ok"]} == wrong
    assert all("refused the login" in row["error"] for row in json.loads(as_json.stdout) if not row["ok"])
    assert archived.code == ExitCode.MAILBOXES_FAILED
    assert {failure["mailbox"] for failure in run["failures"]} == wrong
    assert (run["mailboxes"]["done"], run["messages"]["archived"]) == (_ROWS - _WRONG, 2 * (_ROWS - _WRONG))
    assert corrected == f"profile staff updated: {_ROWS} mailboxes\n"
    assert all(row["ok"] for row in tested)
    assert again.code == ExitCode.OK, again.stderr
    assert "own password" not in str([checked.stdout, checked.stderr, as_json.stdout, rows, archived.stderr])


def test_bad_rows_are_named_before_anything_happens(shell: Shell, tmp_path: Path) -> None:
    """A file with one invalid row stores nothing; contradictory options are refused."""
    file = tmp_path / "wrong.csv"
    before = shell.json("profile", "list")
    file.write_text("a;b;c\nann;pw;ann@example.com\nben\ncarla;;carla@example.com\nann;x;ann@example.com\n")
    bad = shell.run("batch", "submit", str(file), "--host", "mail.example.com")

    assert bad.code == ExitCode.MISCONFIGURED
    assert "line 3: only one value, the password is missing" in bad.stderr
    assert "line 4: the password (column 2) is empty" in bad.stderr
    assert "line 5: mailbox ann@example.com of user ann stands in line 2 already" in bad.stderr
    assert shell.json("profile", "list") == before
    for options in (("--check", "--run"), ("--report", "x"), ("--wait",)):
        assert shell.run("batch", "submit", str(file), "--host", "h", *options).code == ExitCode.USAGE


def test_a_file_in_another_code_page(shell: Shell, new_address: NewAddress, tmp_path: Path) -> None:
    """It is refused without --encoding; with it, --check shows how the names were read."""
    address = new_address()
    shell.mailbox(address, 1)
    file = tmp_path / "people.csv"
    file.write_bytes(f"login;password;address;user\n{address};own password;{address};Jürgen Groß\n".encode("cp1252"))
    server = ("--host", f"127.0.0.1:{shell.dovecot.port}", "--access", "imap")

    refused = shell.run("batch", "submit", str(file), *server)
    checked = shell.run("batch", "submit", str(file), *server, "--encoding", "windows-1252", "--check")
    unknown = shell.run("batch", "submit", str(file), *server, "--encoding", "windows-7", "--check")

    assert refused.code == ExitCode.MISCONFIGURED
    assert "not in UTF-8 (line 2)" in refused.stderr
    assert "--encoding" in refused.stderr
    assert (checked.code, "Jürgen Groß" in checked.stderr) == (ExitCode.OK, True)
    assert unknown.code == ExitCode.USAGE
