"""Refused logins, and mailboxes that are not the expected ones."""

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

#: How the privileged user logs in to their own mailbox.
OWN = " " + base64.b64encode(b"\0archiver\0master").decode()


async def test_empty_mailbox_is_done_with_a_warning(harness: Harness) -> None:
    """An empty mailbox succeeds with a warning that the address may be mistyped, and has no proof."""
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
    """With a wrong password, every mailbox fails at once without a retry, and says what to check."""
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
    """A server that always opens the privileged user's own mailbox is detected before anything is archived."""
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
    """If the privileged user's own mailbox cannot be identified, nothing is archived."""
    script = neighbourhood(mailbox("target"))
    script.mailboxes["archiver"] = mailbox("archiver")
    script.always_opens = "archiver"
    script.faults = [Fault("AUTHENTICATE", containing=OWN, reply=reply)]
    hasty = harness.with_settings(job_attempts=2, retry_first_seconds=1.0)  # a failed lookup is shared for that long
    async with ImapServer(script) as server:
        report = await archive(hasty, server, mailboxes=[TARGET, *NEIGHBOURS])

    assert report.run.state == RunState.FAILED
    assert (report.run.messages.seen, len(report.failures)) == (0, 4)
    assert all("cannot look at archiver's own mailbox" in failure.error for failure in report.failures)
    assert all("--no-master-mailbox" in failure.hint for failure in report.failures)
    # Four jobs, each with at most twenty attempts (throttling weighs a tenth), share the lookups.
    assert len([line for line in server.lines if line.endswith(OWN)]) < 40


@pytest.mark.parametrize("proxied", [True, False])
async def test_inbox_with_an_internal_error(harness: Harness, *, proxied: bool) -> None:
    """If INBOX cannot be opened, a proxied login archives nothing, but a user's own login loses only the INBOX."""
    script = neighbourhood(mailbox("target"), ())
    script.faults = [Fault("EXAMINE", containing="INBOX", reply="NO [SERVERBUG] Internal error occurred")]
    own = {"kind": ProfileKind.SINGLE, "user": TARGET, "login": None, "mailboxes": None}
    async with ImapServer(script) as server:
        report = await archive(harness.with_settings(job_attempts=2), server, **({} if proxied else own))

    assert report.run.state == RunState.FAILED
    assert ("1 of 3 folders cannot be read: INBOX: " in report.failures[0].error) is not proxied
    assert report.run.messages.archived == (0 if proxied else 12)


async def test_privileged_user_without_a_mailbox_is_not_looked_up(harness: Harness) -> None:
    """With --no-master-mailbox, there is no login to the privileged user's own mailbox."""
    script = neighbourhood(mailbox("target"))
    script.faults = [Fault("AUTHENTICATE", containing=OWN, close=True)]
    async with ImapServer(script) as server:
        report = await archive(harness, server, no_master_mailbox=True)

    assert report.run.state == RunState.SUCCEEDED
    assert not [line for line in server.lines if line.endswith(OWN)]


async def test_own_mailbox_is_noticed_where_one_may_be_opened_twice(harness: Harness) -> None:
    """--allow-same-mailbox allows two names of one mailbox, but not of the privileged user's own."""
    script = neighbourhood(mailbox("target"))
    script.mailboxes["archiver"] = mailbox("archiver")
    script.always_opens = "archiver"
    async with ImapServer(script) as server:
        report = await archive(harness, server, mailboxes=[TARGET], allow_same_mailbox=True)

    assert "privileged user's own mailbox" in report.failures[0].error
    assert report.run.messages.seen == 0


async def test_same_mailbox_is_noticed_while_it_grows(harness: Harness) -> None:
    """A collecting mailbox that receives its second message between two jobs is still recognised as the same one."""
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
    """If the server opens one mailbox under two names, both are reported, and no archive gets its mail twice."""
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
    """With --allow-same-mailbox, two names of one mailbox give two complete archives."""
    script = neighbourhood(mailbox("target"), ())
    script.mailboxes["other@example.com"] = script.mailboxes[TARGET]
    async with ImapServer(script) as server:
        report = await archive(harness, server, allow_same_mailbox=True)

    assert report.run.state == RunState.SUCCEEDED
    expected = source(script.mailboxes[TARGET])
    assert [expected, expected] == [await harness.exported(user) for user in (TARGET, "other@example.com")]


async def test_mailboxes_alike_are_told_apart(harness: Harness) -> None:
    """Two mailboxes created in the same second, with an empty INBOX and equal folders, are recognised as different."""
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
    """If the privileged user cannot log in directly, a run tries it only once: more would look like an attack."""
    script = neighbourhood(mailbox("target"))
    tiny = harness.with_settings(slice_bytes=1)
    async with ImapServer(script) as server:
        await archive(tiny, server)
        tries = [line for line in server.lines if line.endswith(OWN)]

    assert len(tries) == 1
