"""Filtering new messages: the server's SEARCH only saves work, and the doubt is for archiving."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from muniment.errors import CommandRefused
from muniment.mailserver.memory import MemoryMailServer
from muniment.mailserver.memory_mailbox import MemoryFolder, MemoryMail
from muniment.model.mail_filter import MailFilter, ReadState
from muniment.services.mailboxes.filter_new_messages import filter_new_messages
from tests.support.memory_mail import message
from tests.unit.services.conftest import OpenInbox, profile

_NOW = datetime(2024, 7, 20, tzinfo=UTC)


def _many(inbox: MemoryFolder) -> None:
    """Fill the inbox with 200 messages; every tenth is read."""
    for uid in range(len(inbox.messages) + 1, 201):
        inbox.deliver(MemoryMail(message(str(uid)), flags=("\\Seen",) if uid % 10 == 0 else ()))


async def _kept(open_inbox: OpenInbox, rule: MailFilter, kind: str = "generic") -> tuple[list[int], int]:
    """Return what passes, and how many commands that took."""
    session = await open_inbox()
    todo = await session.search_uids()
    before = session.commands
    with_rule = profile(filter=rule, server_kind=kind)
    return await filter_new_messages(session, with_rule, _NOW, todo), session.commands - before


async def test_without_a_filter_the_server_is_not_asked(open_inbox: OpenInbox) -> None:
    """Everything passes."""
    assert await _kept(open_inbox, MailFilter()) == (list(range(1, 11)), 0)


async def test_each_condition(open_inbox: OpenInbox, inbox: MemoryFolder) -> None:
    """Flags, dates, sizes and header fields, as the server tells them."""
    inbox.messages[2].flags = ("\\Seen",)
    inbox.messages[3].received = _NOW - timedelta(days=400)
    inbox.messages[4].claimed_size = 10
    expected = {
        MailFilter(read=ReadState.READ): [2],
        MailFilter(older_than="1 year"): [3],
        MailFilter(smaller_than=100): [4],
        MailFilter(subject=("inbox-5",)): [5],
        MailFilter(sender=("!s@example",)): [],
    }

    assert {rule: (await _kept(open_inbox, rule))[0] for rule in expected} == expected


async def test_many_messages_are_searched_for_first(
    open_inbox: OpenInbox, inbox: MemoryFolder, mail: MemoryMailServer
) -> None:
    """Of 200 messages only those are looked at that SEARCH found."""
    _many(inbox)
    asked: list[str] = []

    async def note(command: str) -> None:
        asked.append(command)

    mail.before_command = note
    kept, commands = await _kept(open_inbox, MailFilter(read=ReadState.READ))

    assert kept == list(range(20, 201, 10))
    assert (commands, asked[-2:]) == (2, ["SEARCH", "FETCH FLAGS"])


async def test_a_refused_search_loses_nothing(
    open_inbox: OpenInbox, inbox: MemoryFolder, mail: MemoryMailServer
) -> None:
    """Each message is looked at instead."""
    _many(inbox)
    searches = 0

    async def refuse(command: str) -> None:
        nonlocal searches
        searches += command == "SEARCH"
        if searches == 2:
            searches += 1
            raise CommandRefused("BAD SEARCH")

    mail.before_command = refuse
    kept, _ = await _kept(open_inbox, MailFilter(read=ReadState.READ))

    assert searches == 3
    assert kept == list(range(20, 201, 10))


async def test_what_the_server_does_not_tell_passes(
    open_inbox: OpenInbox, inbox: MemoryFolder, mail: MemoryMailServer
) -> None:
    """A message without facts is archived: a filter loses no mail. So does a FETCH that is refused."""
    inbox.messages[2].is_withheld = True
    rule = MailFilter(subject=("nothing",))
    assert (await _kept(open_inbox, rule))[0] == [2]

    async def refuse(command: str) -> None:
        if command == "FETCH FLAGS":
            raise CommandRefused("NO")

    mail.before_command = refuse
    assert (await _kept(open_inbox, rule))[0] == list(range(1, 11))
