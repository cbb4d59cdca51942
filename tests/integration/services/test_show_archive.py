"""What is archived can be seen: folders, counts, dates, and when that was compared."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from muniment.errors import Forbidden, NotFound
from muniment.mailserver.memory_mailbox import MemoryFolder, MemoryMail
from muniment.model.mail_filter import MailFilter
from muniment.model.proof import ArchivedFolder
from muniment.services.access.audit import show_audit
from muniment.services.access.principal import Principal
from muniment.services.reading.show_archive import list_archives, show_archive
from muniment.shapes.archives import archive_shape
from tests.support.memory_mail import ANNA, BEN, MemoryWorld, mailbox, message
from tests.support.principal import ADMIN

_OLD, _NEW = datetime(2019, 5, 1, tzinfo=UTC), datetime(2025, 5, 1, tzinfo=UTC)


async def _folder(world: MemoryWorld, name: str = "INBOX") -> ArchivedFolder:
    found = await show_archive(ADMIN, world.resources, ANNA)
    return next(one for one in found.folders if one.path[0] == name)


async def test_counts_dates_and_proof(world: MemoryWorld) -> None:
    """A folder shows what it holds, of which time, what is no longer on the server, and when it was compared."""
    inbox = world.mail.mailboxes[ANNA]["INBOX"]
    inbox.deliver(MemoryMail(message("old"), received=_OLD))
    inbox.deliver(MemoryMail(message("new"), received=_NEW))
    profile = await world.submit()
    await world.harness.archive(profile)
    first = await _folder(world)
    del inbox.messages[1]
    await world.harness.archive(profile)
    await world.harness.archive(profile)
    second = await _folder(world)

    assert (first.messages, first.gone, first.on_server, first.missing) == (8, 0, 8, 0)
    assert (first.oldest, first.newest) == (_OLD, _NEW)
    assert first.proven is not None
    assert first.unmoved is None
    assert (second.messages, second.gone, second.on_server, second.missing) == (8, 1, 7, 0)
    assert second.proven is not None
    assert second.unmoved is not None
    assert second.unmoved > second.proven > first.proven


async def test_a_mailbox_is_as_old_as_its_oldest_folder(world: MemoryWorld) -> None:
    """The list has a line for each mailbox, with sums; JSON says until when STATUS was unchanged."""
    world.mail.mailboxes[BEN] = mailbox("ben")
    profile = await world.submit()
    await world.harness.archive(profile)
    await world.harness.let_pass(2)
    world.mail.mailboxes[ANNA]["INBOX"].deliver(message("new"))
    await world.harness.archive(profile)
    found = await list_archives(ADMIN, world.resources, None)
    anna, ben = found.mailboxes
    shape = archive_shape(await show_archive(ADMIN, world.resources, ANNA))

    assert found.count == 2
    assert [(one.address, one.folders, one.messages, one.on_server) for one in (anna, ben)] == [
        (ANNA, 2, 13, 13),
        (BEN, 2, 12, 12),
    ]
    assert anna.proven == (await _folder(world, "Work")).proven
    assert anna.proven != (await _folder(world)).proven
    listed: Any = shape["folders"]
    folders = {one["folder"][1]: one for one in listed}
    assert folders["INBOX"]["unchanged_since"] is None
    assert folders["Work"]["unchanged_since"] == folders["Work"]["proven"]
    assert (await list_archives(ADMIN, world.resources, 1)).mailboxes == [anna]


async def test_what_is_missing_or_left_out(world: MemoryWorld) -> None:
    """Messages on the server that the archive lacks, and those that the filter leaves out, are counted apart."""
    inbox = world.mail.mailboxes[ANNA]["INBOX"]
    inbox.messages[2].is_withheld = True
    inbox.deliver(MemoryMail(message("big", b"x" * 5000)))
    await world.archive(filter=MailFilter(smaller_than=4000))
    found = await _folder(world)

    assert (found.messages, found.on_server, found.filtered, found.missing, found.quarantined) == (5, 7, 1, 1, 1)


async def test_a_folder_that_vanished(world: MemoryWorld) -> None:
    """It keeps its messages, all of them gone from the server, and does not count there any more."""
    profile = await world.submit()
    await world.harness.archive(profile)
    del world.mail.mailboxes[ANNA]["Work/2024"]
    await world.harness.archive(profile)
    [anna] = (await list_archives(ADMIN, world.resources, None)).mailboxes

    assert ((await _folder(world, "Work")).gone, (await _folder(world, "Work")).vanished is None) == (6, False)
    assert (anna.messages, anna.gone, anna.on_server) == (12, 6, 6)


async def test_an_empty_folder_without_dates(world: MemoryWorld) -> None:
    world.mail.mailboxes[ANNA]["Empty"] = MemoryFolder()
    await world.archive()
    found = await _folder(world, "Empty")

    assert (found.messages, found.oldest, found.newest, found.on_server) == (0, None, None, 0)


async def test_who_may_look(world: MemoryWorld) -> None:
    """Users see their own archive, administrators every one, which is recorded."""
    world.mail.mailboxes[BEN] = mailbox("ben")
    await world.archive()
    own = await show_archive(Principal.archive_user(ANNA), world.resources, ANNA)
    untouched = await show_audit(ADMIN, world.resources, ANNA, 1)
    await show_archive(ADMIN, world.resources, ANNA)
    [entry] = await show_audit(ADMIN, world.resources, ANNA, 1)

    assert {one.address for one in own.folders} == {ANNA}
    assert "archive shown" not in [one.action for one in untouched]
    assert (entry.action, entry.subject) == ("archive shown", ANNA)
    with pytest.raises(Forbidden):
        await show_archive(Principal.archive_user(BEN), world.resources, ANNA)
    with pytest.raises(Forbidden):
        await list_archives(Principal.archive_user(BEN), world.resources, None)
    with pytest.raises(NotFound):
        await show_archive(ADMIN, world.resources, "nobody")
