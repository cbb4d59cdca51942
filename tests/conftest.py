"""Fixtures that many tests share: real servers, one of each for a session, and names that nobody else uses."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import settings as hypothesis_settings

from muniment.db.database import Database
from muniment.demo.dovecot import Dovecot
from muniment.embedded.postgres import OWNER, EmbeddedPostgres
from muniment.secrecy import Secret
from tests.support.cyrus import Cyrus, running_cyrus
from tests.support.dovecot import running_dovecot
from tests.support.harness import Harness, open_harness
from tests.support.opensearch import OpenSearchNode, running_opensearch
from tests.support.ports import free_port, worker_number
from tests.support.services import create_template, fresh_database, postgres_server
from tests.support.shared import BorrowedServers, Lender, LocalServers, Servers, without_process
from tests.support.spreading import SPLIT, scheduler

# How long an example takes says how busy the machine is.
hypothesis_settings.register_profile("muniment", deadline=None)
hypothesis_settings.load_profile("muniment")

# Settings of whoever runs the tests are none of theirs.
for _name in [name for name in os.environ if name.startswith("MUNIMENT_")]:
    del os.environ[_name]

# Without compiled modules in files each of the hundreds of processes that tests start compiles all of Muniment.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A shell starts what it puts into the background with SIGINT ignored, and every child would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

TEMPLATE = "template_muniment"


@contextmanager
def _postgres() -> Iterator[EmbeddedPostgres]:
    with postgres_server() as server:
        asyncio.run(create_template(server, TEMPLATE))
        yield server


@contextmanager
def _dovecot() -> Iterator[Dovecot]:
    with running_dovecot() as server:
        yield without_process(server)


@contextmanager
def _cyrus() -> Iterator[Cyrus]:
    with running_cyrus() as server:
        yield without_process(server)


@contextmanager
def _opensearch() -> Iterator[OpenSearchNode]:
    with running_opensearch() as node:
        yield without_process(node)


_OFFERS = {"postgres": _postgres, "dovecot": _dovecot, "cyrus": _cyrus, "opensearch": _opensearch}
_SERVERS = pytest.StashKey[LocalServers | BorrowedServers]()
_LENDER = pytest.StashKey[Lender]()


def pytest_configure(config: pytest.Config) -> None:
    """Decide who runs the servers that tests share: this process, or the controller of pytest-xdist."""
    loan = getattr(config, "workerinput", {}).get("servers")
    config.stash[_SERVERS] = BorrowedServers(*loan) if loan else LocalServers(_OFFERS)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the servers are."""
    stash = node.config.stash
    if _LENDER not in stash:
        stash[_LENDER] = Lender(stash[_SERVERS])
    node.workerinput["servers"] = (stash[_LENDER].address, stash[_LENDER].key)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the servers that this process runs."""
    if lender := config.stash.get(_LENDER, None):
        lender.close()
    elif isinstance(servers := config.stash.get(_SERVERS, None), LocalServers):
        servers.stop()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Spread the tests over the processes in a way of our own."""
    return scheduler(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Check that no fixture of a module is made again for each of its tests."""
    for item in items:
        definitions = getattr(item, "_fixtureinfo", None)
        scopes = {one[-1].scope for one in definitions.name2fixturedefs.values()} if definitions else set()
        if "module" in scopes and item.nodeid.partition("::")[0] in SPLIT:
            raise pytest.UsageError(f"{item.nodeid} shares a fixture of its module, which is in SPLIT")


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> LocalServers | BorrowedServers:
    """Return where the servers of the session are."""
    return pytestconfig.stash[_SERVERS]


@pytest.fixture(scope="session")
def dovecot(servers: Servers) -> Dovecot:
    """Return a running Dovecot with a master user; shared, so use mailboxes of your own (`new_address`)."""
    server: Dovecot = servers.get("dovecot")
    return server


@pytest.fixture(scope="session")
def cyrus(servers: Servers) -> Cyrus:
    """Return a running Cyrus with a proxy user; shared, so use mailboxes of your own (`new_address`)."""
    server: Cyrus = servers.get("cyrus")
    return server


@pytest.fixture(scope="session")
def opensearch(servers: Servers) -> OpenSearchNode:
    """Return a running OpenSearch node; shared, so use a prefix of your own (`new_prefix`)."""
    node: OpenSearchNode = servers.get("opensearch")
    return node


@pytest.fixture(scope="session")
def postgres(servers: Servers) -> EmbeddedPostgres:
    """Return a running PostgreSQL with a database `template_muniment`; shared, so use a database of your own."""
    server: EmbeddedPostgres = servers.get("postgres")
    return server


@pytest.fixture(scope="session")
def new_number(worker: int) -> Callable[[], int]:
    """Return a function: another number with every call, in whatever process of the session."""
    numbers = itertools.count(worker * 1_000_000 + 1)
    return lambda: next(numbers)


@pytest.fixture(scope="session")
def new_address(new_number: Callable[[], int]) -> Callable[[], str]:
    """Return a function: another address with every call, never used before in this session."""
    return lambda: f"user{new_number()}@example.com"


@pytest.fixture(scope="session")
def new_prefix(new_number: Callable[[], int]) -> Callable[[], str]:
    """Return a function: another prefix for indices of OpenSearch with every call."""
    return lambda: f"test{new_number()}"


@pytest.fixture(scope="session")
def worker() -> int:
    """Return the number of this process among those of the session; 0 where it is the only one."""
    return worker_number()


@pytest.fixture
def port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    return free_port()


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
def owner_url(postgres: EmbeddedPostgres, database_url: str) -> str:
    """Return the URL of the test's own database for the role that owns it."""
    return postgres.url_of(urlsplit(database_url).path[1:], OWNER)


@pytest.fixture
async def owner_database(owner_url: str) -> AsyncIterator[Database]:
    """Open the test's own database as its owner, to do what Muniment itself may not do."""
    opened = await Database.open(Secret(owner_url))
    yield opened
    await opened.close()


@pytest.fixture
async def harness(database_url: str, tmp_path: Path) -> AsyncIterator[Harness]:
    """Open the whole archive path in this process, on a database of the test's own."""
    async with open_harness(database_url, tmp_path) as opened:
        yield opened
