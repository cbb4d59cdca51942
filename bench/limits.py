"""Limits for any archiver on this machine: the bare wire, and bare COPY of the same rows into the same PostgreSQL."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from bench.server import MASTER, PASSWORD, folders, opened, select
from bench.workload import Source
from muniment.contents.codec import encode, sha256_of
from muniment.db.database import Database
from muniment.db.migrate import migrate
from muniment.demo.dovecot import Dovecot
from muniment.embedded.postgres import EmbeddedPostgres
from muniment.embedded.supervisor import Supervisor
from muniment.errors import Permanent
from muniment.mail.headers import read_headers
from muniment.model.message import MemoryMessage

_CONNECTIONS = 4
_WRITERS = 2
_BATCH = 500
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Limit:
    """The speed of one step on its own, in messages per second."""

    name: str
    messages_per_second: float


def wire(server: Dovecot, source: Source) -> Limit:
    """FETCH every folder with one command over a few sockets; look only for the end of each answer, store nothing."""
    filled = {address: _folders(server, address) for address in source.addresses}
    started = time.monotonic()
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        for _ in pool.map(lambda address: _drain(server, address, filled[address]), source.addresses):
            pass
    return Limit(f"bare socket x{_CONNECTIONS}", source.messages / (time.monotonic() - started))


def copy(server: Dovecot, source: Source, folder: Path) -> Limit:
    """COPY prepared contents, messages and entries durably with a few writers at once; a trigger fills the outbox."""
    batches = list(_batches(server, source))
    database_folder, sockets = folder / "database", folder / "sockets"
    database_folder.mkdir()
    sockets.mkdir(mode=0o711)
    logs = folder / "log"
    logs.mkdir()
    server_process = EmbeddedPostgres(database_folder, sockets)
    supervisor = Supervisor(folder, logs)
    try:
        supervisor.start(server_process.prepare())
        seconds = asyncio.run(_copy_all(server_process, batches))
    finally:
        supervisor.stop()
    return Limit(f"COPY x{_WRITERS}", source.messages / seconds)


@dataclass(frozen=True)
class _Batch:
    contents: list[tuple[object, ...]]
    messages: list[tuple[object, ...]]
    entries: list[tuple[object, ...]]


def _batches(server: Dovecot, source: Source) -> Iterator[_Batch]:
    """Create the rows of every message, each content once, in the batches that Muniment commits."""
    raws = (raw for address in source.addresses for raw in _messages(server, address))
    seen: dict[bytes, int] = {}
    number = 0
    while chunk := list(islice(raws, _BATCH)):
        batch = _Batch([], [], [])
        for raw in chunk:
            number += 1
            message = MemoryMessage(raw)
            digest = sha256_of(message)
            if digest not in seen:
                seen[digest] = number
                head = read_headers(raw[: 256 * 1024])
                parts = enumerate(encode(message))
                batch.contents.extend((1, number, n, part.codec, part.data) for n, part in parts)
                batch.messages.append(
                    (
                        1,
                        number,
                        digest,
                        len(raw),
                        head.message_id,
                        head.subject,
                        head.sender,
                        head.recipients,
                        head.date,
                    )
                )
            batch.entries.append((1, number // 1000, 1, number, seen[digest], None, ["\\Seen"]))
        yield batch


async def _copy_all(server: EmbeddedPostgres, batches: Sequence[_Batch]) -> float:
    database = await Database.open(server.owner_url)
    try:
        await migrate(database)
        waiting = iter(batches)

        async def write() -> None:
            for batch in waiting:
                async with database.transaction() as session:
                    await session.copy("contents", ("store_id", "message_id", "part", "codec", "data"), batch.contents)
                    await session.copy("messages", _MESSAGE_COLUMNS, batch.messages)
                    await session.copy("entries", _ENTRY_COLUMNS, batch.entries)

        started = time.monotonic()
        await asyncio.gather(*(write() for _ in range(_WRITERS)))
        seconds = time.monotonic() - started
        async with database.session() as session:
            written = await session.value("SELECT count(*) FROM entries")
        if written != (wanted := sum(len(batch.entries) for batch in batches)):
            raise Permanent(f"COPY wrote {written} entries, not {wanted}")
        return seconds
    finally:
        await database.close()


_MESSAGE_COLUMNS = ("store_id", "id", "sha256", "size", "message_id", "subject", "sender", "recipients", "date")
_ENTRY_COLUMNS = ("store_id", "folder_id", "uidvalidity", "uid", "message_id", "internal_date", "flags")


def _folders(server: Dovecot, address: str) -> list[str]:
    with opened(server.host, server.port, address) as connection:
        return [name for name in folders(connection) if select(connection, name)]


def _messages(server: Dovecot, address: str) -> Iterator[bytes]:
    with opened(server.host, server.port, address) as connection:
        for name in folders(connection):
            if select(connection, name):
                answers = connection.fetch("1:*", "(BODY.PEEK[])")[1]
                yield from (answer[1] for answer in answers if isinstance(answer, tuple))


def _drain(server: Dovecot, address: str, names: Sequence[str]) -> None:
    with socket.create_connection((server.host, server.port)) as connection:
        connection.recv(_CHUNK)
        _ask(connection, b'LOGIN "%b*%b" "%b"' % (address.encode(), MASTER.encode(), PASSWORD.encode()))
        for name in names:
            _ask(connection, b"EXAMINE " + name.encode())
            _ask(connection, b"FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")


def _ask(connection: socket.socket, command: bytes) -> None:
    """Send a command and read until its tagged answer; the tag occurs in no message."""
    tag = b"Muniment-bench-%d" % time.monotonic_ns()
    connection.sendall(tag + b" " + command + b"\r\n")
    end = b""
    while tag not in end:
        end = end[-200:] + connection.recv(_CHUNK)
