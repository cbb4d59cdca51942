"""Logins that are refused, and mailboxes that are not what they seem."""

from __future__ import annotations

import base64
import re

import pytest

from muniment.model.profile import ProfileKind
from muniment.model.run import RunState
from muniment.services.runs.lifecycle import start_run
from tests.support.harness import Harness
from tests.support.imap_script import Fault, Folder, Script
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import (
    NEIGHBOURS,
    TARGET,
    archive,
    assert_neighbours_exact,
    mailbox,
    mails,
    neighbourhood,
    proven,
    source,
    submit,
)

#: How the privileged user logs in as himself.
OWN = " " + base64.b64encode(b"\0archiver\0master").decode()


async def test_empty_mailbox_is_done_with_a_warning(harness: Harness) -> None:
    """An empty mailbox ends well, says that the address may be mistyped, and is not taken for proven."""
    script = neighbourhood(mailbox("target", messages=0))
    async with ImapServer(script) as server:
        report = await archive(harness, server)

    assert report.run.state == RunState.SUCCEEDED
    [notice] = report.notices
    assert notice.mailbox == TARGET
    assert "the mailbox is empty" in notice.warnings[0]
    assert "mistyped address" in notice.warnings[0]
    assert not await proven(harness)
    await assert_neighbours_exact(harness, script)


async def test_wrong_password_fails_every_mailbox(harness: Harness) -> None:
    """With a wrong password every mailbox fails at once, without a second attempt, and says what to check."""
    script = neighbourhood(mailbox("target"))
    script.passwords = {"archiver": "another"}
    async with ImapServer(script) as server:
        report = await archive(harness, server)

    assert report.run.state == RunState.FAILED
    assert sorted([TARGET, *NEIGHBOURS]) == sorted(failure.mailbox for failure in report.failures)
    assert all("refused the login" in failure.error for failure in report.failures)
    assert all("password" in failure.hint for failure in report.failures)
    assert len([line for line in server.sent("AUTHENTICATE") if not line.endswith(OWN)]) == 4


async def test_own_mailbox_is_noticed(harness: Harness) -> None:
    """A server that opens the privileged user's own mailbox for everybody is caught before anything is archived."""
    script = neighbourhood(mailbox("target"))
    script.mailboxes["archiver"] = mailbox("archiver")
    script.always_opens = "archiver"
    async with ImapServer(script) as server:
        report = await archive(harness, server, mailboxes=[TARGET, *NEIGHBOURS])

    assert report.run.state == RunState.FAILED
    assert len(report.failures) == 4
    assert all("privileged user's own mailbox" in failure.error for failure in report.failures)
    assert all("Nothing was archived" in failure.hint for failure in report.failures)
    assert report.run.messages.seen == 0
    assert not server.sent("UID FETCH")


@pytest.mark.parametrize("reply", ["NO [LIMIT] too many connections", "NO [UNAVAILABLE] try again", "* BYE overloaded"])
async def test_doubt_about_the_own_mailbox_stops_the_job(harness: Harness, reply: str) -> None:
    """When nobody can say what the privileged user's own mailbox is, nothing is archived."""
    script = neighbourhood(mailbox("target"))
    script.mailboxes["archiver"] = mailbox("archiver")
    script.always_opens = "archiver"
    script.faults = [Fault("AUTHENTICATE", containing=OWN, reply=reply)]
    hasty = harness.with_settings(job_attempts=2, retry_first_seconds=1.0)  # a failed look is shared for so long
    async with ImapServer(script) as server:
        report = await archive(hasty, server, mailboxes=[TARGET, *NEIGHBOURS])

    assert report.run.state == RunState.FAILED
    assert (report.run.messages.seen, len(report.failures)) == (0, 4)
    assert all("cannot look at archiver's own mailbox" in failure.error for failure in report.failures)
    assert all("--no-master-mailbox" in failure.hint for failure in report.failures)
    # Four jobs, each with twenty tries at most (throttling weighs a tenth): they share the looks.
    assert len([line for line in server.lines if line.endswith(OWN)]) < 40


@pytest.mark.parametrize("proxied", [True, False])
async def test_inbox_with_an_internal_error(harness: Harness, *, proxied: bool) -> None:
    """Where an INBOX cannot be opened, a login as somebody else proves nothing; one's own costs the INBOX alone."""
    script = neighbourhood(mailbox("target"), ())
    script.faults = [Fault("EXAMINE", containing="INBOX", reply="NO [SERVERBUG] Internal error occurred")]
    own = {"kind": ProfileKind.SINGLE, "user": TARGET, "login": None, "mailboxes": None}
    async with ImapServer(script) as server:
        report = await archive(harness.with_settings(job_attempts=2), server, **({} if proxied else own))

    assert report.run.state == RunState.FAILED
    assert ("1 of 3 folders cannot be read: INBOX: " in report.failures[0].error) is not proxied
    assert report.run.messages.archived == (0 if proxied else 12)


async def test_privileged_user_without_a_mailbox_is_not_looked_up(harness: Harness) -> None:
    """With --no-master-mailbox nobody logs in as the privileged user himself."""
    script = neighbourhood(mailbox("target"))
    script.faults = [Fault("AUTHENTICATE", containing=OWN, close=True)]
    async with ImapServer(script) as server:
        report = await archive(harness, server, no_master_mailbox=True)

    assert report.run.state == RunState.SUCCEEDED
    assert not [line for line in server.lines if line.endswith(OWN)]


async def test_own_mailbox_is_noticed_where_one_may_be_opened_twice(harness: Harness) -> None:
    """--allow-same-mailbox allows two names of one mailbox, not that of the privileged user."""
    script = neighbourhood(mailbox("target"))
    script.mailboxes["archiver"] = mailbox("archiver")
    script.always_opens = "archiver"
    async with ImapServer(script) as server:
        report = await archive(harness, server, mailboxes=[TARGET], allow_same_mailbox=True)

    assert "privileged user's own mailbox" in report.failures[0].error
    assert report.run.messages.seen == 0


async def test_same_mailbox_is_noticed_while_it_grows(harness: Harness) -> None:
    """A collecting mailbox that got its second message between two jobs is still one mailbox."""
    script = neighbourhood({b"INBOX": Folder(mails("caught", 1))}, ())
    script.mailboxes["other@example.com"] = script.mailboxes[TARGET]
    async with ImapServer(script) as server:
        await submit(harness, server, max_jobs=1)
        run_id = await start_run(ADMIN, harness.resources, "all")
        await harness.work()
        script.mailboxes[TARGET][b"INBOX"].messages = mails("caught", 2)
        report = await harness.finish(run_id)

    assert report.run.state == RunState.FAILED
    assert "opened the same mailbox" in report.failures[0].error
    assert report.run.messages.archived == 1


async def test_same_mailbox_for_two_users_is_noticed(harness: Harness) -> None:
    """When the server opens one mailbox under two names, both are named and nobody's archive gets it twice."""
    script = neighbourhood(mailbox("target"))
    script.mailboxes["other@example.com"] = script.mailboxes[TARGET]
    async with ImapServer(script) as server:
        report = await archive(harness, server, max_jobs=1)

    assert report.run.state == RunState.FAILED
    [failure] = report.failures
    assert {TARGET, "other@example.com"} == {failure.mailbox, *re.findall(r"\S+@example\.com", failure.error)} - {""}
    assert "--allow-same-mailbox" in failure.hint
    await assert_neighbours_exact(harness, script)


async def test_same_mailbox_can_be_allowed(harness: Harness) -> None:
    """With --allow-same-mailbox two names of one mailbox are two complete archives."""
    script = neighbourhood(mailbox("target"), ())
    script.mailboxes["other@example.com"] = script.mailboxes[TARGET]
    async with ImapServer(script) as server:
        report = await archive(harness, server, allow_same_mailbox=True)

    assert report.run.state == RunState.SUCCEEDED
    expected = source(script.mailboxes[TARGET])
    assert [expected, expected] == [await harness.exported(user) for user in (TARGET, "other@example.com")]


async def test_mailboxes_alike_are_told_apart(harness: Harness) -> None:
    """Two mailboxes made in the same second, with an empty INBOX and the same folders, are two mailboxes."""
    script = Script(
        mailboxes={name: mailbox(name, folders=[b"Sent"]) for name in ("one@example.com", "two@example.com")}
    )
    for folders in script.mailboxes.values():
        folders[b"INBOX"] = Folder(uidvalidity=7)
    async with ImapServer(script) as server:
        report = await archive(harness, server)

    assert report.run.state == RunState.SUCCEEDED
    assert [source(f) for f in script.mailboxes.values()] == [await harness.exported(user) for user in script.mailboxes]


async def test_refused_privileged_user_is_asked_once(harness: Harness) -> None:
    """A privileged user who may not log in as himself is tried once per run: more would look like an attack."""
    script = neighbourhood(mailbox("target"))
    tiny = harness.with_settings(slice_bytes=1)
    async with ImapServer(script) as server:
        await archive(tiny, server)
        tries = [line for line in server.lines if line.endswith(OWN)]

    assert len(tries) == 1
