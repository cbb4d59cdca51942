"""Deleting on the mail server: only what is archived for certain, and exactly what the rule says."""

from __future__ import annotations

from datetime import timedelta

import pytest

from muniment.clock import utc_now
from muniment.mailserver.memory_mailbox import CAPABILITIES, MemoryFolder, MemoryMail
from muniment.model.deletion_rule import ACCEPTED, AT_ONCE, DeletionRule
from muniment.model.mail_filter import MailFilter
from muniment.model.run import RunState
from tests.support.memory_mail import ANNA, MemoryWorld, contents, message, warnings

_ALL = DeletionRule(after=AT_ONCE)


def _folder(world: MemoryWorld, name: str = "INBOX") -> MemoryFolder:
    return world.mail.mailboxes[ANNA][name]


async def test_deletes_what_it_archived(world: MemoryWorld) -> None:
    """The server is empty afterwards, the archive holds everything, and the ledger names each message."""
    before = contents(world.mail.mailboxes[ANNA])
    report = await world.archive(deletion=_ALL)

    assert report.run.state == RunState.SUCCEEDED
    assert contents(world.mail.mailboxes[ANNA]) == {}
    assert await world.exported() == before
    assert report.run.messages.deleted == len(await world.ledger()) == 12
    assert all(row.deleted for row in await world.ledger())


async def test_without_a_rule_nothing_goes(world: MemoryWorld) -> None:
    """The mail server is read-only by default."""
    before = contents(world.mail.mailboxes[ANNA])
    report = await world.archive()

    assert report.run.state == RunState.SUCCEEDED
    assert contents(world.mail.mailboxes[ANNA]) == before


async def test_what_the_rule_keeps(world: MemoryWorld) -> None:
    """Flagged messages, those that are too young, and those that the filter leaves out stay."""
    folder = _folder(world)
    folder.messages[1].flags = ("\\Flagged",)
    folder.messages[2].received = utc_now() - timedelta(days=2)
    await world.archive(deletion=DeletionRule(after="1 week"), filter=MailFilter(subject=("!inbox-3",)))

    assert list(folder.messages) == [1, 2, 3]


async def test_nothing_goes_from_a_folder_that_lacks_a_message(world: MemoryWorld) -> None:
    """Deletion waits for the proof: while one message is in quarantine, all of its folder stay."""
    _folder(world).messages[3].refusal = "NO"
    await world.archive(deletion=_ALL)

    assert len(_folder(world).messages) == 6
    assert not _folder(world, "Work/2024").messages


async def test_a_message_that_is_damaged_in_the_archive_stays(world: MemoryWorld) -> None:
    """Every message is read back and hashed before it is deleted."""
    await world.archive()
    async with world.harness.administrator() as session:
        await session.execute(
            "UPDATE contents SET data = overlay(data placing '\\x00' from 12) "
            "WHERE message_id = (SELECT id FROM messages WHERE subject = 'about anna-inbox-4')"
        )
    report = await world.archive(deletion=_ALL)

    assert list(_folder(world).messages) == [4]
    assert "UID 4 in INBOX: it is damaged in the archive" in warnings(report)
    assert len(await world.ledger()) == 11


async def test_another_message_under_the_same_uid_stays(world: MemoryWorld) -> None:
    """What the server shows must begin with the header that was archived."""
    await world.archive()
    _folder(world).messages[4] = MemoryMail(message("another"))
    report = await world.archive(deletion=_ALL)

    assert list(_folder(world).messages) == [4]
    assert "another message there" in warnings(report)


async def test_a_header_that_the_server_does_not_show(world: MemoryWorld) -> None:
    """Without a header to compare, a message stays."""
    await world.archive()
    _folder(world).messages[4] = MemoryMail(b"")
    report = await world.archive(deletion=_ALL)

    assert list(_folder(world).messages) == [4]
    assert "does not show its header" in warnings(report)


async def test_without_uidplus_nothing_goes(world: MemoryWorld) -> None:
    """The server would delete everything that is marked."""
    world.mail.capabilities = CAPABILITIES - {"UIDPLUS"}
    report = await world.archive(deletion=_ALL)

    assert "without UIDPLUS" in warnings(report)
    assert len(_folder(world).messages) == 6


async def test_without_uidplus_in_words(world: MemoryWorld) -> None:
    """Accepted in words, it deletes; but not where somebody marked a message that is not archived."""
    world.mail.capabilities = CAPABILITIES - {"UIDPLUS"}
    _folder(world).messages[5].flags = ("\\Deleted",)
    rule = DeletionRule(after=AT_ONCE, without_uidplus=ACCEPTED)
    report = await world.archive(deletion=rule, filter=MailFilter(subject=("!inbox-5",)))

    assert len(_folder(world).messages) == 6
    assert not _folder(world, "Work/2024").messages
    assert "an expunge would take 1 messages" in warnings(report)


async def test_a_new_uidvalidity_before_the_deletion(world: MemoryWorld) -> None:
    """The folder is opened again to delete: under another UIDVALIDITY nothing goes."""
    folder = _folder(world)
    proven = dict(folder.messages)

    async def renumber() -> None:
        # The last folder is being fetched: the proof of INBOX stands already.
        folder.renumber(99)

    world.once_before(6, renumber, folder="Work/2024")
    await world.archive(deletion=_ALL)

    assert [mail.content for mail in folder.messages.values()] == [mail.content for mail in proven.values()]
    assert not _folder(world, "Work/2024").messages


@pytest.mark.parametrize("how", ["read-only", "refused"])
async def test_a_folder_that_the_server_protects(world: MemoryWorld, how: str) -> None:
    """It is named; the run is fine, and the other folders go on."""
    if how == "read-only":
        _folder(world).is_read_only = True
    else:
        _folder(world).erase_refusal = "NO [NOPERM]"
    report = await world.archive(deletion=_ALL)

    assert report.run.state == RunState.SUCCEEDED
    assert len(_folder(world).messages) == 6
    assert not _folder(world, "Work/2024").messages
    assert "not deleted in INBOX" in warnings(report)
    assert report.run.messages.deleted == 6


async def test_who_lost_the_lease_deletes_nothing(world: MemoryWorld) -> None:
    """The ledger's rows are guarded by the lease, and written before the server is told anything."""
    await world.archive()

    async def steal(command: str) -> None:
        if command == "FETCH HEADER":
            await world.steal_leases()

    world.mail.before_command = steal
    await world.start(deletion=_ALL)
    await world.harness.work()

    assert len(_folder(world).messages) == 6
    assert not await world.ledger()


async def test_a_size_that_shrinks_before_the_message_comes(world: MemoryWorld) -> None:
    """A server that announces the message's size, and with its bytes that of a part, has not delivered the message."""
    mail = _folder(world).messages[3]
    mail.claimed_size = 20_000

    async def shrink() -> None:
        mail.claimed_size = None

    world.once_before(3, shrink)
    report = await world.archive(deletion=_ALL)

    assert list(_folder(world).messages) == [3]
    assert "UID 3 in INBOX: the server announced 20000 bytes" in warnings(report)
