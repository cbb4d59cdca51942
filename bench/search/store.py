"""An archive that is filled without any mail server: what is measured is the index."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import count, islice
from pathlib import Path

from muniment.contents.codec import encode, sha256_of
from muniment.db import messages
from muniment.db.database import Database
from muniment.db.messages import NewEntry, NewMessage
from muniment.db.migrate import migrate
from muniment.embedded.postgres import EmbeddedPostgres
from muniment.errors import Conflict
from muniment.imap import ByteBudget
from muniment.mail.headers import read_headers
from muniment.model.message import MemoryMessage
from muniment.queue import MemoryQueue
from muniment.search import SearchIndex
from muniment.secrecy import Secret, SecretBox, create_key_file
from muniment.services.doors import Doors
from muniment.settings import Settings
from tests.support.services import execute_as_administrator

_BATCH = 500
_numbers = count(1)


@asynccontextmanager
async def opened(url: str, folder: Path, index: SearchIndex) -> AsyncIterator[Doors]:
    """Open the doors that indexing and searching need; `folder` is there."""
    settings = Settings(data=folder, administrators_search=True)
    with suppress(Conflict):
        create_key_file(settings.key_file)
    database = await Database.open(Secret(url))
    doors = Doors(settings, database, SecretBox.from_key_file(settings.key_file), MemoryQueue(), index, ByteBudget(1))
    try:
        yield doors
    finally:
        await doors.attachments.close()
        await database.close()


def new_database(server: EmbeddedPostgres) -> str:
    """Return the URL of a new, migrated database."""

    async def make() -> str:
        name = f"bench_{next(_numbers)}"
        await execute_as_administrator(server, f'CREATE DATABASE "{name}" OWNER muniment')
        database = await Database.open(Secret(server.url_of(name)))
        try:
            await migrate(database)
        finally:
            await database.close()
        return server.url_of(name)

    return asyncio.run(make())


async def fill(database: Database, raws: Iterable[bytes]) -> int:
    """Store messages in one user's archive; return how many different ones there are."""
    async with database.session() as session:
        user = await session.value("INSERT INTO users (name) VALUES ('reader@example.com') RETURNING id")
        mailbox = await session.value(
            "INSERT INTO mailboxes (user_id, address) VALUES ($1, 'reader@example.com') RETURNING id", user
        )
        folder = await session.value(
            "INSERT INTO folders (mailbox_id, wire_name, path) VALUES ($1, 'INBOX', '{INBOX}') RETURNING id", mailbox
        )
    uid = 0
    for batch in _batches(raws):
        held = {sha256_of(MemoryMessage(raw)): raw for raw in batch}
        async with database.transaction() as session:
            new = [NewMessage(digest, len(raw), read_headers(raw[: 256 * 1024])) for digest, raw in held.items()]
            ids = await messages.add(session, 1, new)
            await messages.write_parts(session, 1, _parts(held, ids))
            entries = []
            for message_id in ids.values():
                uid += 1
                entries.append(NewEntry(folder, 1, uid, message_id, None, ("\\Seen",)))
            sizes = {message_id: len(held[digest]) for digest, message_id in ids.items()}
            await messages.add_entries(session, 1, entries, sizes)
    return uid


async def _parts(held: dict[bytes, bytes], ids: dict[bytes, int]) -> AsyncIterator[messages.PartRow]:
    for digest, message_id in ids.items():
        for number, part in enumerate(encode(MemoryMessage(held[digest]))):
            yield message_id, number, part.codec, part.data


def _batches(raws: Iterable[bytes]) -> Iterator[list[bytes]]:
    rest = iter(raws)
    while batch := list(islice(rest, _BATCH)):
        yield batch
