"""What every store of contents does: the bytes that were added come back, in the order in which they are asked for."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace

import pytest

from muniment.contents import ContentStore, MemoryContents, NewContent, PostgresContents
from muniment.contents.codec import EncodedPart, checked_stream, encode, sha256_of
from muniment.db.database import Database
from muniment.errors import Damaged
from muniment.model.message import MemoryMessage
from muniment.secrecy import Secret
from muniment.services.reading.verify_archive import verify_archive
from tests.support.harness import Harness
from tests.support.imap_server import ImapServer
from tests.support.principal import ADMIN
from tests.support.scripted import TARGET, archive, mailbox, neighbourhood, source

STORE = 1
NOISE = random.Random(4).randbytes(3_500_000)
RAWS = [b"", b"x", NOISE, b"all the same " * 400_000, *(b"small %d\r\n" % number for number in range(450)), NOISE[::-1]]


@dataclass(frozen=True)
class Known:
    """A stored message."""

    message_id: int
    size: int
    sha256: bytes
    store_id: int = STORE


@pytest.fixture(params=["postgresql", "memory"])
async def contents(request: pytest.FixtureRequest, harness: Harness, database_url: str) -> AsyncIterator[ContentStore]:
    """Each of the stores in turn, empty; the one in PostgreSQL reads over a single connection."""
    if request.param == "memory":
        yield MemoryContents()
        return
    database = await Database.open(Secret(database_url), connections=1)
    yield PostgresContents(database)
    await database.close()


async def added(harness: Harness, contents: ContentStore, raws: Iterable[bytes]) -> list[Known]:
    """Add messages in one transaction, and return what is known of them."""
    known = [Known(number, len(raw), sha256_of(MemoryMessage(raw))) for number, raw in enumerate(raws, start=1)]
    new = [NewContent(message.message_id, parts(raw)) for message, raw in zip(known, raws, strict=True)]
    async with harness.database.transaction() as session:
        await contents.add(session, STORE, new)
    return known


async def parts(raw: bytes) -> AsyncIterator[EncodedPart]:
    """Yield the encoded parts of a message."""
    for part in encode(MemoryMessage(raw)):
        yield part


async def each(known: Iterable[Known]) -> AsyncIterator[Known]:
    """Yield what is asked for."""
    for message in known:
        yield message


async def read(contents: ContentStore, known: Iterable[Known]) -> list[bytes]:
    """Return the proven bytes of messages."""
    return [
        b"".join([chunk async for chunk in checked_stream(found, sha256=message.sha256, size=message.size)])
        async for message, found in contents.read(each(known))
    ]


async def test_bytes_come_back_in_the_order_asked_for(harness: Harness, contents: ContentStore) -> None:
    """Empty, small and large messages come back byte for byte, in any order, and more than once."""
    known = await added(harness, contents, RAWS)
    order = [*range(len(RAWS)), 2, 0, 5, 2]
    random.Random(8).shuffle(order)

    assert await read(contents, [known[number] for number in order]) == [RAWS[number] for number in order]


async def test_parts_need_not_be_read(harness: Harness, contents: ContentStore) -> None:
    """Whoever has seen enough of a message goes on with the next."""
    known = await added(harness, contents, RAWS)
    begins = []
    async for _, found in contents.read(each(known)):
        async for part in found:
            begins.append(part)
            break

    assert len(begins) == len(RAWS) - 1


async def test_readers_share_a_connection(harness: Harness, contents: ContentStore) -> None:
    """Reading holds nothing between two messages, nor between two parts: many readers need one connection."""
    known = await added(harness, contents, RAWS[:4])
    async with asyncio.timeout(30):
        async for message, found in contents.read(each(known)):
            async for _ in found:
                assert await read(contents, [message]) == [RAWS[message.message_id - 1]]


async def test_missing_content_is_damage(harness: Harness, contents: ContentStore) -> None:
    """A message whose content is not there has no parts, and the messages around it come back."""
    before, after = await added(harness, contents, [b"before", b"after"])
    lost = Known(99, 4, sha256_of(MemoryMessage(b"lost")))
    with pytest.raises(Damaged, match="4 bytes short"):
        await read(contents, [before, lost, after])

    assert await read(contents, [before, after]) == [b"before", b"after"]


async def test_archive_of_each_store(harness: Harness, contents: ContentStore) -> None:
    """What is archived into a store is exported and verified from it."""
    chosen = Harness(replace(harness.resources, contents=contents), harness.folder)
    script = neighbourhood(mailbox("target"), ())
    async with ImapServer(script) as server:
        await archive(chosen, server)

    assert source(script.mailboxes[TARGET]) == await chosen.exported(TARGET)
    assert (await verify_archive(ADMIN, chosen.resources)).damage == []
    assert all(hit.snippet is not None for hit in (await chosen.found("sent", TARGET, snippets=True)).hits)


async def test_rollback_leaves_no_content(harness: Harness) -> None:
    """Contents in PostgreSQL are there with the transaction that adds their messages, or not at all."""

    async def roll_back() -> None:
        async with harness.database.transaction() as session:
            await PostgresContents(harness.database).add(session, STORE, [NewContent(1, parts(b"gone"))])
            assert await session.value("SELECT count(*) FROM contents") == 1
            raise Damaged("something else")

    with pytest.raises(Damaged):
        await roll_back()
    async with harness.database.session() as session:
        assert await session.value("SELECT count(*) FROM contents") == 0
