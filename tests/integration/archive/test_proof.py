"""The proof of completeness: missing messages are found again or reported."""

from __future__ import annotations

from muniment.model.run import RunState
from muniment.services.operating.show_status import show_status
from muniment.services.profiles.submit_profile import remove_profile
from tests.support.harness import Harness, hashes
from tests.support.imap_script import Mail
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import (
    TARGET,
    archive,
    mailbox,
    message,
    neighbourhood,
    proven,
    source,
)


async def test_lost_entry_is_found_again(harness: Harness) -> None:
    """An entry lost from the archive is archived again when its folder is visited, wherever the cursor is."""
    script = neighbourhood(mailbox("target"), ())
    async with ImapServer(script) as server:
        await archive(harness, server)
        async with harness.administrator() as session:
            await session.execute("DELETE FROM entries WHERE uid = 2")
        inbox = script.mailboxes[TARGET][b"INBOX"]
        inbox.messages = [*inbox.messages, Mail(50, message("new"))]
        report = await harness.archive("all")

    expected = source(script.mailboxes[TARGET])
    for path in (("Archive",), ("Sent",)):
        expected[path] -= hashes([message(f"target-{path[0]}-2")])
    assert report.run.messages.archived == 2
    assert expected == await harness.exported(TARGET)


async def test_message_that_left_is_no_gap(harness: Harness) -> None:
    """A message deleted on the server stays in the archive, and its folder is complete without it."""
    script = neighbourhood(mailbox("target"), ())
    before = source(script.mailboxes[TARGET])
    async with ImapServer(script) as server:
        await archive(harness, server)
        inbox = script.mailboxes[TARGET][b"INBOX"]
        inbox.messages = inbox.messages[3:]
        inbox.highestmodseq += 1
        report = await harness.archive("all")

    assert (report.run.state, report.run.messages.seen) == (RunState.SUCCEEDED, 0)
    assert before == await harness.exported(TARGET)
    assert await proven(harness)


async def test_messages_that_are_counted_but_not_listed_are_missing(harness: Harness) -> None:
    """If the server counts more messages than it lists, the folder is not proven, but revisited by the next run."""
    script = neighbourhood(mailbox("target"), ())
    inbox = script.mailboxes[TARGET][b"INBOX"]
    inbox.hidden = {2, 5}
    async with ImapServer(script) as server:
        first = await archive(harness, server)
        async with harness.database.session() as session:
            missing = await session.values("SELECT missing FROM folders WHERE missing > 0")
        proven_too_soon = await proven(harness)
        inbox.hidden = set()
        second = await harness.archive("all")

    assert (missing, proven_too_soon) == ([2], False)
    [warning] = [text for notice in first.notices if notice.mailbox == TARGET for text in notice.warnings]
    assert "1 of 3 folders lack messages (INBOX)" in warning
    assert not second.notices
    assert (first.run.messages.archived, second.run.messages.archived) == (16, 2)
    assert source(script.mailboxes[TARGET]) == await harness.exported(TARGET)
    assert await proven(harness)


async def test_stale_mailboxes_are_listed(harness: Harness) -> None:
    """Status lists mailboxes without a proof or with an old one, but no fresh ones and none without a profile."""
    script = neighbourhood(mailbox("target"))
    script.mailboxes[TARGET][b"INBOX"].refused.add(3)
    async with ImapServer(script) as server:
        await archive(harness, server)
    async with harness.database.session() as session:
        await session.execute("UPDATE mailboxes SET proven = now() - interval '3 days' WHERE address LIKE 'ben@%'")
        missing = await session.values("SELECT missing FROM folders WHERE missing > 0")
    status = await show_status(ADMIN, harness.resources)

    assert missing == [1]
    assert [mailbox.address for mailbox in status.stale] == [TARGET, "ben@example.com"]
    assert (status.stale_count, status.stale[0].proven) == (2, None)

    await remove_profile(ADMIN, harness.resources, "all")

    assert (await show_status(ADMIN, harness.resources)).stale_count == 0
