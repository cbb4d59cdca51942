"""Flags of archived messages follow the server, in the archive and in the index; what they were is kept."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from muniment.errors import CommandRefused
from muniment.mailserver.memory_mailbox import MemoryFolder, MemoryMail
from muniment.mailserver.memory_session import MemorySession
from muniment.services.reading.show_message import show_message
from muniment.shapes.messages import message_shape
from tests.support.memory_mail import ANNA, MemoryWorld, contents, message
from tests.support.principal import ADMIN

_FLAGS = "SELECT flags FROM entries JOIN folders ON folders.id = folder_id WHERE path = '{INBOX}' AND uid = $1"
_CHANGES = "SELECT count(*) FROM flag_changes"


@pytest.fixture(params=[None, 1], ids=["without CONDSTORE", "CONDSTORE"])
def inbox(world: MemoryWorld, request: pytest.FixtureRequest) -> MemoryFolder:
    """Return the folder INBOX, with and without mod-sequences."""
    found = world.mail.mailboxes[ANNA]["INBOX"]
    found.highestmodseq = request.param
    return found


async def _subjects(world: MemoryWorld, query: str) -> int:
    return len(await world.harness.search(query))


async def test_flags_follow_the_server(world: MemoryWorld, inbox: MemoryFolder) -> None:
    """What is read, flagged and marked again on the server is found as such, and its bytes stay what they were."""
    profile = await world.submit()
    await world.harness.archive(profile)
    unread = await _subjects(world, "folder:inbox is:unread")
    inbox.mark(1, "\\Seen", "\\Flagged")
    inbox.mark(2, "\\Seen", "\\Deleted")
    await world.harness.let_pass(24)
    await world.harness.archive(profile)

    assert unread == 6
    assert await _subjects(world, "folder:inbox is:unread") == 4
    assert await _subjects(world, "is:flagged") == 1
    assert sorted(await world.value(_FLAGS, 1)) == ["\\Flagged", "\\Seen"]
    assert await world.exported() == contents(world.mail.mailboxes[ANNA])

    inbox.mark(1)
    await world.harness.let_pass(24)
    await world.harness.archive(profile)

    assert await _subjects(world, "is:flagged") == 0
    assert await _subjects(world, "folder:inbox is:unread") == 5


async def test_with_condstore_each_run_follows(world: MemoryWorld) -> None:
    """HIGHESTMODSEQ tells that something changed; only the changes are asked for."""
    inbox = world.mail.mailboxes[ANNA]["INBOX"]
    inbox.highestmodseq = 1
    profile = await world.submit()
    await world.harness.archive(profile)
    inbox.mark(3, "\\Seen")
    asked: list[str] = []

    async def note(command: str) -> None:
        asked.append(command)

    world.mail.before_command = note
    await world.harness.archive(profile)

    assert await world.value(_FLAGS, 3) == ["\\Seen"]
    assert "FETCH CHANGEDSINCE" in asked
    assert "FETCH FLAGS" not in asked


async def test_without_condstore_a_busy_folder_is_due_as_well(world: MemoryWorld) -> None:
    """Runs that fetch new mail compare UIDs and no flags; that does not put off the look at the flags."""
    inbox = world.mail.mailboxes[ANNA]["INBOX"]
    profile = await world.submit()
    await world.harness.archive(profile)
    inbox.mark(1, "\\Seen")
    for hour in (8, 16):
        await world.harness.let_pass(8)
        inbox.deliver(message(f"at {hour}"))
        await world.harness.archive(profile)
    early = await world.value(_FLAGS, 1)
    await world.harness.let_pass(8)
    inbox.deliver(message("at 24"))
    await world.harness.archive(profile)

    assert [early, await world.value(_FLAGS, 1)] == [[], ["\\Seen"]]


async def test_history_is_kept_in_few_rows(world: MemoryWorld, inbox: MemoryFolder) -> None:
    """One row for all messages with the same change at once; each message's history is shown."""
    profile = await world.submit()
    await world.harness.archive(profile)
    for uid in range(1, 6):
        inbox.mark(uid, "\\Seen")
    await world.harness.let_pass(24)
    await world.harness.archive(profile)
    inbox.mark(1, "\\Seen", "$Junk")
    await world.harness.let_pass(24)
    await world.harness.archive(profile)
    digest = hashlib.sha256(inbox.messages[1].content).hexdigest()
    shape = message_shape(digest, await show_message(ADMIN, world.resources, digest))

    assert await world.value(_CHANGES) == 2
    places: Any = shape["places"]
    assert [(change["before"], sorted(change["after"])) for change in places[0]["flag_changes"]] == [
        ([], ["\\Seen"]),
        (["\\Seen"], ["$Junk", "\\Seen"]),
    ]


async def test_the_same_flags_in_another_order_are_no_change(world: MemoryWorld, inbox: MemoryFolder) -> None:
    """Flags are a set: nothing is written, and nothing is indexed again."""
    inbox.messages[1].flags = ("\\Seen", "\\Flagged")
    profile = await world.submit()
    await world.harness.archive(profile)
    inbox.mark(1, "\\Flagged", "\\Seen", "\\Recent")
    await world.harness.let_pass(24)
    await world.harness.archive(profile)

    assert await world.value(_CHANGES) == 0
    assert await world.value("SELECT count(*) FROM index_outbox") == 0


async def test_recent_is_never_stored(world: MemoryWorld, inbox: MemoryFolder) -> None:
    """It says that a message is new to a session, nothing about the message; what an old version stored is hidden."""
    uid = inbox.deliver(MemoryMail(message("recent"), flags=("\\Recent", "\\Seen")))
    profile = await world.submit()
    await world.harness.archive(profile)
    stored = await world.value(_FLAGS, uid)
    await world.value('UPDATE entries SET flags = \'{"\\\\Recent","\\\\Seen"}\' WHERE uid = 7 RETURNING 1')
    await world.harness.let_pass(24)
    await world.harness.archive(profile)
    digest = hashlib.sha256(inbox.messages[uid].content).hexdigest()

    assert stored == ["\\Seen"]
    assert [place.flags for place in await show_message(ADMIN, world.resources, digest)] == [["\\Seen"]]
    assert await world.value(_CHANGES) == 0


async def test_flags_after_a_new_uidvalidity(world: MemoryWorld, inbox: MemoryFolder) -> None:
    """Messages that are recognised by content get the flags that they have now; the next comparison follows them."""
    profile = await world.submit()
    await world.harness.archive(profile)
    inbox.mark(1, "\\Flagged")
    inbox.renumber(99)
    await world.harness.archive(profile)
    flagged = await _subjects(world, "is:flagged")
    inbox.mark(1)
    await world.harness.let_pass(24)
    await world.harness.archive(profile)

    assert (flagged, await _subjects(world, "is:flagged")) == (1, 0)


async def test_a_mod_sequence_that_went_back(world: MemoryWorld) -> None:
    """A server that was restored from a backup counts from an older number: all flags are compared."""
    inbox = world.mail.mailboxes[ANNA]["INBOX"]
    inbox.highestmodseq = 1000
    profile = await world.submit()
    await world.harness.archive(profile)
    inbox.highestmodseq = 10
    inbox.mark(1, "\\Seen")
    await world.harness.archive(profile)

    assert await world.value(_FLAGS, 1) == ["\\Seen"]


async def test_who_lost_the_lease_changes_no_flags(world: MemoryWorld, inbox: MemoryFolder) -> None:
    """Once another worker leased the job, flags are written by that one."""
    profile = await world.submit()
    await world.harness.archive(profile)
    inbox.mark(1, "\\Seen")
    await world.harness.let_pass(24)

    async def steal(command: str) -> None:
        if command.startswith("FETCH") and "HEADER" not in command:
            await world.steal_leases()

    world.mail.before_command = steal
    await world.start_of(profile)
    await world.harness.work()

    assert await world.value(_FLAGS, 1) == []


async def test_a_server_that_refuses_flags(
    world: MemoryWorld, inbox: MemoryFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mail is archived and proven as usual, and the folder is not opened for its flags in each run."""
    profile = await world.submit()
    await world.harness.archive(profile)

    async def refuse(*_: object, **__: object) -> dict[int, tuple[str, ...]]:
        raise CommandRefused("NO not today")

    monkeypatch.setattr(MemorySession, "flags", refuse)
    inbox.deliver(message("new"))
    await world.harness.let_pass(24)
    report = await world.harness.archive(profile)

    assert report.run.messages.archived == 1
    assert await world.is_proven()
    assert await world.value("SELECT count(*) FROM folders WHERE flags_seen < now() - interval '1 hour'") == 0
