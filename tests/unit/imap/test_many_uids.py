"""A hostile server's list of UIDs counts against the memory of the worker, before it is in memory."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from muniment.errors import ProtocolViolation, ServerBusy
from muniment.imap import ImapSession
from muniment.imap.uids import UidListing
from muniment.mailserver import ByteBudget, Limits
from muniment.mailserver.budget import UID_BYTES
from muniment.model.folder import ServerFolder
from muniment.model.profile import Access, Server
from tests.support.raw_server import raw_server
from tests.unit.imap.conftest import LOGIN

INBOX = ServerFolder(b"INBOX", ("INBOX",), frozenset(), None)
#: What a list of these many UIDs may hold, here.
ROOM = 50_000
OPEN = b"* 1 EXISTS\r\nTAG OK open\r\n"
#: As many messages as are listed: otherwise FETCH is asked as well.
OPEN_FULL = b"* %d EXISTS\r\nTAG OK open\r\n" % (ROOM - 1)


@asynccontextmanager
async def session_with(limits: Limits, *answers: bytes) -> AsyncIterator[ImapSession]:
    """Yield a session whose server gives these answers after the login."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"* OK [CAPABILITY IMAP4rev1 ESEARCH] hello\r\n")
        for text in (b"TAG OK [CAPABILITY IMAP4rev1 ESEARCH] in\r\n", *answers):
            writer.write(text.replace(b"TAG", (await reader.readuntil(b"\r\n")).split()[0]))
        await reader.read()

    async with raw_server(talk) as port:
        session = await ImapSession.open(Server("127.0.0.1", port, Access.IMAP), LOGIN, limits)
        try:
            yield session
        finally:
            session.abort()


@pytest.fixture
def narrow(limits: Limits) -> Limits:
    """Return limits with room for a few UIDs."""
    return replace(limits, budget=ByteBudget(ROOM * UID_BYTES))


MANY = {
    "a range": b"* ESEARCH UID ALL 1:20000000\r\n",
    "ranges": b"* ESEARCH UID ALL " + b",".join(b"%d:%d" % (n * 100, n * 100 + 50) for n in range(2000)) + b"\r\n",
    "all that are possible": b"* ESEARCH UID ALL 1:4294967295\r\n",
    "numbers": b"* SEARCH" + b" 7" * (ROOM + 1) + b"\r\n",
    "lines": b"* SEARCH 1 2 3 4 5\r\n" * (ROOM // 5 + 1),
    "answers to FETCH": b"* 1 FETCH (UID 5)\r\n" * (ROOM + 1),
}


@pytest.mark.parametrize("form", MANY)
async def test_too_many_for_the_memory(narrow: Limits, form: str) -> None:
    """However the server lists them, the error names the setting, and the memory stays small."""
    # What SEARCH leaves out, FETCH is asked for.
    none = [b"* ESEARCH UID\r\nTAG OK searched\r\n"] if "FETCH" in form else []
    async with session_with(narrow, OPEN, *none, MANY[form] + b"TAG OK searched\r\n") as session:
        await session.examine(INBOX)
        tracemalloc.start()
        with pytest.raises(ProtocolViolation, match="more than") as caught:
            await session.search_uids()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    if "possible" not in form:
        assert "MUNIMENT_MEMORY_BUDGET_BYTES" in (caught.value.hint or "")
    assert peak < 3 * ROOM * UID_BYTES


async def test_lists_of_several_mailboxes_share_the_memory(narrow: Limits) -> None:
    """The second waits for another time; opening another folder and ending a session give the room back."""
    most = b"* ESEARCH UID ALL 1:%d\r\nTAG OK searched\r\n" % (ROOM - 1)
    few = b"* ESEARCH UID ALL 1\r\nTAG OK searched\r\n"
    async with session_with(narrow, OPEN_FULL, most, OPEN, few) as first:
        await first.examine(INBOX)
        assert len(await first.search_uids()) == ROOM - 1
        async with session_with(narrow, OPEN_FULL, most) as second:
            await second.examine(INBOX)
            with pytest.raises(ServerBusy, match="fill the memory budget"):
                await second.search_uids()
        await first.examine(INBOX)
        async with session_with(narrow, OPEN_FULL, most) as third:
            await third.examine(INBOX)
            assert len(await third.search_uids()) == ROOM - 1
        assert len(await first.search_uids()) == 1
    async with session_with(narrow, OPEN_FULL, most) as fourth:
        await fourth.examine(INBOX)
        assert len(await fourth.search_uids()) == ROOM - 1


async def test_a_list_leaves_room_for_one_batch() -> None:
    """Messages are still granted one by one: whoever holds a long list needs them to get on."""
    budget = ByteBudget(1000)
    budget.widen_list(0, 900)
    await asyncio.wait_for(budget.reserve(500), 5)
    waiting = asyncio.create_task(budget.reserve(500))
    await asyncio.sleep(0)
    assert not waiting.done()
    budget.widen_list(900, 0)
    await asyncio.wait_for(waiting, 5)

    assert budget.used == 1000


def test_millions_in_any_order_cost_no_tuples() -> None:
    """Sorting what a server sent upside down takes a multiple of the numbers, not of objects made of them."""
    listing = UidListing()
    listing.take(b"SEARCH", [b"* SEARCH" + b"".join(b" %d" % n for n in range(200_000, 0, -1))])
    tracemalloc.start()
    assert len(listing.sorted()) == 200_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 200_000 * 100
