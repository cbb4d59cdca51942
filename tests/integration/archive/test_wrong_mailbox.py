"""Logins that are refused, and mailboxes that are not what they seem."""

from __future__ import annotations

import base64
import re

from muniment.model.run import RunState
from tests.support.harness import Harness
from tests.support.imap_script import Folder, Script
from tests.support.imap_server import ImapServer
from tests.support.scripted import (
    NEIGHBOURS,
    TARGET,
    archive,
    assert_neighbours_exact,
    mailbox,
    neighbourhood,
    proven,
    source,
)


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
    assert sorted([TARGET, *NEIGHBOURS]) == [failure.mailbox for failure in report.failures]
    assert all("refused the login" in failure.error for failure in report.failures)
    assert all("password" in failure.hint for failure in report.failures)
    own = base64.b64encode(b"\0archiver\0master").decode()
    assert len([line for line in server.sent("AUTHENTICATE") if not line.endswith(f" {own}")]) == 4


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
    assert all("nothing was archived" in failure.hint for failure in report.failures)
    assert report.run.messages.seen == 0
    assert not server.sent("UID FETCH")


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
        own = base64.b64encode(b"\0archiver\0master").decode()
        tries = [line for line in server.lines if line.endswith(f" {own}")]

    assert len(tries) == 1
