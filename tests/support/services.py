"""Real servers for tests: a private PostgreSQL and a private Valkey, each in a temporary folder."""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg

from muniment.db import roles
from muniment.db.database import Database, Session
from muniment.db.migrate import migrate
from muniment.embedded.postgres import OWNER, RUNTIME, EmbeddedPostgres
from muniment.embedded.supervisor import Supervisor
from muniment.embedded.valkey import EmbeddedValkey
from muniment.queue.url import redis_py_url
from muniment.secrecy import Secret

#: A test cluster lives for a session and need not survive a power cut.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "64MB",
    "autovacuum": "off",
}

#: Lets `execute_as_administrator` in.
_ADMINISTRATOR = ("local all postgres trust",)

_numbers = itertools.count(1)


@contextmanager
def postgres_server(folder: Path | None = None, *, durable: bool = False) -> Iterator[EmbeddedPostgres]:
    """Run a PostgreSQL on `folder` (default: a temporary one); `url_of(name)` gives the URL of one of its databases."""
    with _home(folder) as home:
        options = None if durable else FAST
        server = EmbeddedPostgres(home / "postgres", _sockets(home), options=options, access=_ADMINISTRATOR)
        supervisor = Supervisor(home, home)
        try:
            supervisor.start(server.prepare())
            yield server
        finally:
            supervisor.stop()


@contextmanager
def valkey_server(folder: Path | None = None) -> Iterator[EmbeddedValkey]:
    """Run a Valkey on `folder` (default: a temporary one)."""
    with _home(folder) as home:
        server = EmbeddedValkey(home / "valkey", _sockets(home))
        supervisor = Supervisor(home, home)
        try:
            supervisor.start(server.prepare())
            yield server
        finally:
            supervisor.stop()


def redis_url(server: EmbeddedValkey) -> str:
    """Return the server's URL in the form that redis-py accepts."""
    return redis_py_url(server.url.reveal())


@asynccontextmanager
async def fresh_database(
    server: EmbeddedPostgres, template: str = "template1", *, role: str = RUNTIME
) -> AsyncIterator[str]:
    """Yield the URL of a new database that is a copy of `template`, and drop it afterwards.

    By default, the URL is for the role that Muniment works as, which owns nothing: so tests find rights that it lacks.

    Meanwhile, there must be no connections to the template.
    """
    name = f"test_{os.getpid()}_{next(_numbers)}"
    # Four times as fast as the default, which writes a copy of 9 MB to the log first: nothing is flushed to disk here.
    strategy = "STRATEGY file_copy"
    await execute_as_administrator(
        server,
        f'CREATE DATABASE "{name}" TEMPLATE "{template}" OWNER {OWNER} {strategy}',
        # What `roles.grant` does to the database itself, which is no part of the template.
        f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC; GRANT CONNECT ON DATABASE "{name}" TO {RUNTIME}',
    )
    try:
        yield server.url_of(name, role)
    finally:
        await execute_as_administrator(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


async def create_template(server: EmbeddedPostgres, name: str) -> None:
    """Create a database with the migrated schema, to be copied by `fresh_database`."""
    await execute_as_administrator(server, f'CREATE DATABASE "{name}" OWNER muniment')
    database = await Database.open(Secret(server.url_of(name, OWNER)))
    try:
        await migrate(database)
        async with database.transaction() as session:
            await roles.grant(session, RUNTIME)
    finally:
        await database.close()


async def execute_as_administrator(server: EmbeddedPostgres, *statements: str) -> None:
    """Execute statements as the cluster's superuser, one after the other."""
    connection = await asyncpg.connect(server.url_of("postgres", role="postgres"))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@asynccontextmanager
async def administrator(url: str) -> AsyncIterator[Session]:
    """Yield a session of the cluster's superuser in the database at `url`: for what Muniment itself may not do."""
    login, at, rest = url.partition("@")
    assert at
    assert login.startswith("postgresql://")
    database = await Database.open(Secret(f"postgresql://postgres@{rest}"), connections=1)
    try:
        async with database.session() as session:
            yield session
    finally:
        await database.close()


def _sockets(home: Path) -> Path:
    folder = home / "run"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@contextmanager
def _home(folder: Path | None) -> Iterator[Path]:
    # Directly below the system's temporary folder: pytest's own paths are too long for a socket.
    with tempfile.TemporaryDirectory(prefix="muniment-test-") as temporary:
        yield folder or Path(temporary)
