"""Fetching in batches: within the limits and the byte budget, and nothing is kept back when it ends."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import pytest

from muniment.errors import ServerUnavailable
from muniment.mailserver import ByteBudget
from muniment.mailserver.memory import MemoryMailServer
from muniment.mailserver.memory_mailbox import MemoryFolder, MemoryMail
from muniment.model.folder import FolderState, ServerFolder
from muniment.model.run import Lease, LeasedJob
from muniment.services.archiving.batch import Batch
from muniment.services.archiving.fetch_batches import NOT_DELIVERED, fetch_batches
from muniment.services.archiving.folder_work import MAX_BREAKS, FolderWork
from muniment.services.archiving.writer import Writer
from muniment.services.resources import Resources
from tests.support.memory_mail import ANNA
from tests.unit.services.conftest import OpenInbox, profile

_INBOX = ServerFolder(b"INBOX", ("INBOX",), frozenset(), None)
_STATE = FolderState(5, b"INBOX", ("INBOX",), 1, 0, None, False, None, False, 0, "")


class _Batches:
    """A writer that keeps batches; `flush` closes them, as a commit does."""

    def __init__(self) -> None:
        self.taken: list[Batch] = []
        self.flushes = 0

    async def flush(self) -> None:
        """Close what was taken."""
        self.flushes += 1
        for batch in self.taken:
            batch.close()


def _job(**changes: object) -> LeasedJob:
    job = LeasedJob(
        Lease(1, 1), 1, datetime(2024, 1, 1, tzinfo=UTC), 1, 1, ANNA, "anna", None, None, True, None, 0, None, 0
    )
    return replace(job, **changes)  # type: ignore[arg-type]


async def _fetch(
    resources: Resources, open_inbox: OpenInbox, writer: _Batches, *, close: bool = False, **job: object
) -> list[list[int]]:
    """Return the UIDs of each batch; `close`: each batch is closed before the next is fetched."""
    session = await open_inbox()
    work = FolderWork(_job(**job), profile(), session, _INBOX, _STATE)
    todo = list(await session.search_uids())
    found: list[list[int]] = []
    async with aclosing(fetch_batches(resources, work, todo, cast("Writer", writer))) as batches:
        async for batch in batches:
            writer.taken.append(batch)
            found.append([one.uid for one in batch.messages])
            if close:
                batch.close()
    return found


async def test_as_many_messages_as_allowed(resources: Resources, open_inbox: OpenInbox) -> None:
    """Each batch has `batch_messages` messages and moves the cursor to its last; closing it frees its bytes."""
    writer = _Batches()
    found = await _fetch(resources, open_inbox, writer)

    assert found == [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10]]
    assert [batch.cursor for batch in writer.taken] == [3, 6, 9, 10]
    assert resources.budget.used == sum(batch.size for batch in writer.taken) > 0
    await writer.flush()
    assert resources.budget.used == 0


async def test_as_many_bytes_as_allowed(resources: Resources, open_inbox: OpenInbox, inbox: MemoryFolder) -> None:
    """A message larger than a batch comes alone."""
    inbox.messages[2] = MemoryMail(b"x" * 2000)
    small = replace(resources, settings=replace(resources.settings, batch_bytes=500))
    found = await _fetch(small, open_inbox, _Batches(), close=True)

    assert found[:3] == [[1], [2], [3, 4]]


async def test_waits_for_memory_that_the_writer_holds(resources: Resources, open_inbox: OpenInbox) -> None:
    """Before it waits for a share of the budget, the writer has to commit, and to free, what it gathered."""
    writer = _Batches()
    narrow = replace(resources, budget=ByteBudget(600))
    found = await _fetch(narrow, open_inbox, writer)

    assert len(found) == 4
    assert writer.flushes == 3


async def test_after_a_break_one_by_one(resources: Resources, open_inbox: OpenInbox) -> None:
    """Where the connection broke the last time, the first messages are fetched alone."""
    found = await _fetch(resources, open_inbox, _Batches(), broke_folder=_STATE.id)

    assert found == [[1], [2], [3], [4, 5, 6], [7, 8, 9], [10]]


@pytest.mark.parametrize("fault", ["withheld", "gone"])
async def test_what_is_not_delivered(
    resources: Resources, open_inbox: OpenInbox, inbox: MemoryFolder, mail: MemoryMailServer, fault: str
) -> None:
    """A message that is listed and does not come is a bad one; one that left the server meanwhile is not."""
    writer = _Batches()

    async def remove(*_: object) -> None:
        inbox.messages.pop(2, None)

    if fault == "withheld":
        inbox.messages[2].is_withheld = True
    else:
        mail.before_fetch = remove
    found = await _fetch(resources, open_inbox, writer)

    assert found[0] == ([1, 3, 2] if fault == "withheld" else [1, 3])
    assert [one.reason for one in writer.taken[0].messages if one.raw is None] == (
        [NOT_DELIVERED] if fault == "withheld" else []
    )
    assert writer.taken[0].cursor == 3


async def test_what_came_before_the_connection_broke(
    resources: Resources, open_inbox: OpenInbox, mail: MemoryMailServer
) -> None:
    """It is handed on, without moving the cursor, before the error is raised."""
    mail.drop_after = 5
    writer = _Batches()
    with pytest.raises(ServerUnavailable):
        await _fetch(resources, open_inbox, writer, breaks=MAX_BREAKS)

    assert [[one.uid for one in batch.messages] for batch in writer.taken] == [[1, 2, 3], [4, 5]]
    assert [batch.cursor for batch in writer.taken] == [3, 0]
    await writer.flush()
    assert resources.budget.used == 0


async def test_messages_larger_than_claimed(resources: Resources, open_inbox: OpenInbox, inbox: MemoryFolder) -> None:
    """What exceeds the claim is charged, and handed on early; only the last batch of a FETCH moves the cursor."""
    inbox.messages = {uid: MemoryMail(b"x" * 1000, claimed_size=1) for uid in (1, 2, 3)}
    writer = _Batches()
    small = replace(resources, settings=replace(resources.settings, batch_bytes=1500))
    found = await _fetch(small, open_inbox, writer)

    assert found == [[1, 2], [3]]
    assert [batch.cursor for batch in writer.taken] == [0, 3]
    assert small.budget.used >= 3000
    await writer.flush()
    assert small.budget.used == 0
