"""An archive filled without a mail server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from itertools import islice

from muniment.contents import NewContent, PostgresContents
from muniment.contents.codec import EncodedPart, encode, sha256_of
from muniment.db import messages
from muniment.db.database import Database
from muniment.db.messages import NewEntry, NewMessage
from muniment.mail.headers import read_headers
from muniment.model.message import MemoryMessage

READER = "reader@example.com"

_BATCH = 500


async def store(database: Database, raws: Iterable[bytes]) -> int:
    """Store messages in the inbox of a user `READER`; return the number of distinct ones."""
    async with database.session() as session:
        user = await session.value("INSERT INTO users (name) VALUES ($1) RETURNING id", READER)
        mailbox = await session.value(
            "INSERT INTO mailboxes (user_id, address) VALUES ($1, $2) RETURNING id", user, READER
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
            contents = [NewContent(message_id, _parts(held[digest])) for digest, message_id in ids.items()]
            await PostgresContents(database).add(session, 1, contents)
            entries = []
            for message_id in ids.values():
                uid += 1
                entries.append(NewEntry(folder, 1, uid, message_id, None, ("\\Seen",)))
            sizes = {message_id: len(held[digest]) for digest, message_id in ids.items()}
            await messages.add_entries(session, 1, entries, sizes)
    return uid


async def _parts(raw: bytes) -> AsyncIterator[EncodedPart]:
    for part in encode(MemoryMessage(raw)):
        yield part


def _batches(raws: Iterable[bytes]) -> Iterator[list[bytes]]:
    rest = iter(raws)
    while batch := list(islice(rest, _BATCH)):
        yield batch
