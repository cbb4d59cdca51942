"""The fingerprint of a mailbox: the same as long as mail only arrives, and another one for every other mailbox."""

from __future__ import annotations

import pytest

from muniment.errors import CommandRefused, ServerUnavailable
from muniment.mailserver.memory import MemoryMailServer
from muniment.mailserver.memory_mailbox import Mailbox, MemoryFolder
from muniment.model.login import Credentials, LoginKind
from muniment.secrecy import Secret
from muniment.services.mailboxes.check_mailbox import EMPTY, fingerprint_of, is_same_mailbox
from muniment.services.resources import Resources
from tests.support.memory_mail import ANNA, folder, message
from tests.unit.services.conftest import SERVER


async def _print(resources: Resources, mail: MemoryMailServer, mailbox: Mailbox | None = None) -> bytes:
    if mailbox is not None:
        mail.mailboxes[ANNA] = mailbox
    return await fingerprint_of(resources, SERVER, Credentials(LoginKind.LOGIN, ANNA, Secret("secret")))


async def test_new_mail_changes_nothing(resources: Resources, mail: MemoryMailServer, inbox: MemoryFolder) -> None:
    before = await _print(resources, mail)
    inbox.deliver(message("new"))

    assert await _print(resources, mail) == before
    assert mail.sessions == 0


async def test_the_first_three_messages_of_a_mailbox(resources: Resources, mail: MemoryMailServer) -> None:
    """A mailbox that got its second or third message in between is the same one."""
    grows = folder("grows", 1)
    prints = [await _print(resources, mail, {"INBOX": grows})]
    for name in ("two", "three", "four"):
        grows.deliver(message(name))
        prints.append(await _print(resources, mail))

    assert [len(one) for one in prints] == [32, 64, 96, 96]
    assert all(is_same_mailbox(one, other) for one in prints for other in prints)


@pytest.mark.parametrize("change", ["message", "uidvalidity", "date"])
async def test_another_mailbox(resources: Resources, mail: MemoryMailServer, change: str) -> None:
    """Oldest message, its date, or UIDVALIDITY: one difference is enough."""
    one = await _print(resources, mail, {"INBOX": folder("one", 3)})
    other = folder("two" if change == "message" else "one", 3, uidvalidity=2 if change == "uidvalidity" else 1)
    if change == "date":
        first = other.messages[1]
        first.received = first.received.replace(second=26)

    assert not is_same_mailbox(one, await _print(resources, mail, {"INBOX": other}))


async def test_empty_mailboxes_are_not_the_same(resources: Resources, mail: MemoryMailServer) -> None:
    """Nothing tells them apart, so nothing says that they are one."""
    assert await _print(resources, mail, {"INBOX": MemoryFolder()}) == EMPTY
    assert not is_same_mailbox(EMPTY, EMPTY)


async def test_an_empty_inbox(resources: Resources, mail: MemoryMailServer) -> None:
    """The next folder with messages is taken."""
    one = await _print(resources, mail, {"INBOX": MemoryFolder(), "Sent": folder("one", 3)})
    other = await _print(resources, mail, {"INBOX": MemoryFolder(), "Sent": folder("other", 3)})

    assert len(one) == 96
    assert not is_same_mailbox(one, other)


async def test_an_inbox_that_cannot_be_opened(resources: Resources, mail: MemoryMailServer) -> None:
    """A refusal lasts, so the next folder is taken. What is transient is raised: it may open later."""
    inbox = folder("inbox", 3)
    inbox.refusal = "NO"
    assert len(await _print(resources, mail, {"INBOX": inbox, "Sent": folder("sent", 3)})) == 96

    async def fail(command: str) -> None:
        if command == "FETCH HEADER.FIELDS":
            raise ServerUnavailable

    mail.before_command = fail
    with pytest.raises(ServerUnavailable):
        await _print(resources, mail)
    assert mail.sessions == 0


async def test_nothing_can_be_read(resources: Resources, mail: MemoryMailServer) -> None:
    """All that is left are the numbers of the folders."""

    async def refuse(command: str) -> None:
        if command == "FETCH HEADER.FIELDS":
            raise CommandRefused

    mail.before_command = refuse
    one = await _print(resources, mail, {"INBOX": folder("one", 3, uidvalidity=1)})
    other = await _print(resources, mail, {"INBOX": folder("one", 3, uidvalidity=2)})

    assert len(one) == len(other) == 32
    assert one != other
