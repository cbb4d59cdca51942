"""A csv profile with mailboxes on several servers, some with wrong passwords or unreachable hosts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from muniment.demo.dovecot import Dovecot
from muniment.demo.mail import generate_mailbox
from muniment.errors import Misconfigured
from muniment.model.folder_scope import EVERYTHING
from muniment.model.profile import Access, ProfileKind, Server
from muniment.model.run import RunState
from muniment.services.directories.sync import NO_DIRECTORY
from muniment.services.directories.users import add_user, list_users
from muniment.services.doctor.check_logins import check_profile
from muniment.services.profiles.csv_mailboxes import read_csv
from muniment.services.profiles.submit_profile import submit_profile
from muniment.services.runs.lifecycle import start_run
from tests.support.harness import Harness
from tests.support.imap_server import ImapServer
from tests.support.mailgen import digests
from tests.support.principal import ADMIN
from tests.support.profiles import profile_request
from tests.support.scripted import TARGET, mailbox, neighbourhood, submit

_ROWS, _WRONG, _UNREACHABLE, _ELSEWHERE = 100, 5, 2, 1


async def test_wrong_passwords_and_unreachable_hosts(
    harness: Harness, dovecot: Dovecot, port: int, new_address: Callable[[], str]
) -> None:
    """Counts are exact, each failure has its reason, and the rest is complete; a check reports the same failures."""
    addresses = [new_address() for _ in range(_ROWS)]
    wrong, unreachable = set(addresses[:_WRONG]), set(addresses[_WRONG : _WRONG + _UNREACHABLE])
    box = generate_mailbox(5, 3)
    rows = ["login;password;address;user;host"]
    for address in addresses:
        dovecot.add_user(address, "own")
        dovecot.load(address, box)
        place = f"127.0.0.1:{port}" if address in unreachable else ""
        rows.append(f"{address};{'no' if address in wrong else 'own'};;;{place}")
    async with ImapServer(neighbourhood(mailbox("target"), ())) as elsewhere:
        rows.append(f"{TARGET};any;;;{elsewhere.host}:{elsewhere.port}")
        server = Server(dovecot.host, dovecot.port, Access.IMAP, timeout_seconds=20.0)
        request = profile_request(
            name="staff",
            kind=ProfileKind.CSV,
            server=server,
            csv="\n".join(rows).encode(),
            folders=EVERYTHING,
            max_jobs=8,
        )
        await submit_profile(ADMIN, harness.resources, request)
        checks = {check.mailbox: check async for check in check_profile(ADMIN, harness.resources, "staff")}
        quick = harness.with_settings(job_attempts=2)
        report = await quick.archive("staff")

    bad = wrong | unreachable
    assert {address for address, check in checks.items() if check.error} == bad
    assert report.run.state == RunState.FAILED
    assert {failure.mailbox for failure in report.failures} == bad
    for failure in report.failures:
        reason = "refused the login" if failure.mailbox in wrong else f"127.0.0.1:{port} refused the connection"
        assert reason in failure.error
        assert failure.hint
    good = _ROWS + _ELSEWHERE - len(bad)
    assert (report.run.mailboxes.done, report.run.mailboxes.failed) == (good, len(bad))
    assert report.run.messages.archived == 3 * (_ROWS - len(bad)) + 18
    expected = {path: folder for path, folder in digests(box).items() if folder}
    assert await harness.exported(addresses[-1]) == expected
    assert (await harness.exported(TARGET))["INBOX",].total() == 6


def test_the_fifth_column() -> None:
    """The fifth column names the mail server only if its header is host or server; any other column is ignored."""
    [with_host] = read_csv(b"login;password;address;user;Server\na;b;;;mail.example.com:993\n")
    [with_note] = read_csv(b"login;password;address;user;note\na;b;;;mail.example.com:993\n")
    assert (with_host.server, with_note.server) == ("mail.example.com:993", "")
    assert Server("x", 993, Access.IMAP_SSL).at("[::1]:143") == Server("::1", 143, Access.IMAP_SSL)
    assert Server("x", 993, Access.IMAP_SSL).at("other") == Server("other", 993, Access.IMAP_SSL)
    with pytest.raises(Misconfigured, match=r"line 2: the mail server \(column 5\)"):
        read_csv(b"login;password;address;user;host\na;b;;;not a host\n")


async def test_new_users_and_a_directory_that_is_not_there(harness: Harness) -> None:
    """A created user may log in and read their own archive; without a directory, a run that needs one warns."""
    await add_user(ADMIN, harness.resources, "target", [TARGET])
    async with ImapServer(neighbourhood(mailbox("target"), ())) as server:
        await submit(harness, server, mailboxes=None, sync_directory=True)
        run_id = await start_run(ADMIN, harness.resources, "all")
        report = await harness.finish(run_id)

    assert report.run.warnings == [NO_DIRECTORY]
    assert report.run.messages.archived == 18
    assert [(user.privileges, user.own_archive) for user in await list_users(ADMIN, harness.resources)] == [
        (["login"], ["read"])
    ]
