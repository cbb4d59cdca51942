"""Fixtures that many tests share: real mail servers, one of each per session, and names that nobody else uses."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from muniment.db.database import Database
from muniment.db.migrate import migrate
from muniment.demo.dovecot import Dovecot
from muniment.demo.ports import free_port
from muniment.embedded.postgres import EmbeddedPostgres
from muniment.secrecy import Secret
from tests.support.cyrus import Cyrus, running_cyrus
from tests.support.dovecot import running_dovecot
from tests.support.harness import Harness, open_harness
from tests.support.opensearch import OpenSearchNode, running_opensearch
from tests.support.services import execute_as_administrator, fresh_database, postgres_server

# Settings of whoever runs the tests are none of theirs.
for _name in [name for name in os.environ if name.startswith("MUNIMENT_")]:
    del os.environ[_name]

# A shell starts what it puts into the background with SIGINT ignored, and every child would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

TEMPLATE = "template_muniment"

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """Run a Dovecot with a master user; shared, so use mailboxes of your own (`new_address`)."""
    with running_dovecot() as server:
        yield server


@pytest.fixture(scope="session")
def cyrus() -> Iterator[Cyrus]:
    """Run a Cyrus with a proxy user; shared, so use mailboxes of your own (`new_address`)."""
    with running_cyrus() as server:
        yield server


@pytest.fixture(scope="session")
def opensearch() -> Iterator[OpenSearchNode]:
    """Run an OpenSearch node; shared, so use a prefix of your own."""
    with running_opensearch() as node:
        yield node


@pytest.fixture(scope="session")
def new_address() -> Callable[[], str]:
    """Return a function: another address with every call, never used before in this session."""
    return lambda: f"user{next(_numbers)}@example.com"


@pytest.fixture
def port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    return free_port()


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """Run a PostgreSQL with a database `template_muniment` that holds the migrated schema."""
    with postgres_server() as server:
        asyncio.run(_create_template(server))
        yield server


async def _create_template(server: EmbeddedPostgres) -> None:
    await execute_as_administrator(server, f'CREATE DATABASE "{TEMPLATE}" OWNER muniment')
    database = await Database.open(Secret(server.url_of(TEMPLATE)))
    try:
        await migrate(database)
    finally:
        await database.close()


@pytest.fixture
async def database_url(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """Return the URL of a migrated database of the test's own."""
    async with fresh_database(postgres, TEMPLATE) as url:
        yield url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Open the test's own database."""
    opened = await Database.open(Secret(database_url))
    yield opened
    await opened.close()


@pytest.fixture
async def harness(database_url: str, tmp_path: Path) -> AsyncIterator[Harness]:
    """Open the whole archive path in this process, on a database of the test's own."""
    async with open_harness(database_url, tmp_path) as opened:
        yield opened
