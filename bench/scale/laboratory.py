"""Real servers on an empty folder, and the resources that connect this process to them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bench.server import MASTER, PASSWORD
from muniment.embedded.postgres import EmbeddedPostgres
from muniment.embedded.supervisor import Supervisor
from muniment.embedded.valkey import EmbeddedValkey
from muniment.model.profile import Access, ProfileKind, Server
from muniment.resources import open_database_as_owner, open_resources
from muniment.secrecy import Secret, create_key_file
from muniment.services.operating.schema import apply_migrations
from muniment.services.profiles.submit_profile import ProfileRequest
from muniment.services.resources import Resources
from muniment.settings import Settings
from tests.support.principal import ADMIN
from tests.support.profiles import profile_request


@asynccontextmanager
async def laboratory(parent: Path | None = None, **settings: Any) -> AsyncIterator[Resources]:
    """Run a durable PostgreSQL and a Valkey, and open every resource."""
    home, sockets = _home(parent)
    supervisor = Supervisor(home, home)
    postgres, valkey = EmbeddedPostgres(home / "postgres", sockets), EmbeddedValkey(home / "valkey", sockets)
    try:
        supervisor.start(postgres.prepare())
        supervisor.start(valkey.prepare())
        found = Settings(
            data=home,
            database_url=postgres.url,
            owner_database_url=postgres.owner_url,
            redis_url=valkey.url,
            **settings,
        )
        create_key_file(found.key_file)
        found.spool.mkdir(exist_ok=True)
        async with open_database_as_owner(found) as resources:
            await apply_migrations(ADMIN, resources)
        async with open_resources(found) as resources:
            yield resources
    finally:
        supervisor.stop()
        shutil.rmtree(home, ignore_errors=True)


def _home(parent: Path | None) -> tuple[Path, Path]:
    home = Path(tempfile.mkdtemp(prefix="muniment-scale-", dir=parent))
    home.chmod(0o755)  # PostgreSQL may run under a different account
    sockets = home / "run"
    sockets.mkdir(mode=0o711)
    return home, sockets


def fleet_profile(name: str, mailboxes: list[str], host: str = "127.0.0.1", port: int = 1) -> ProfileRequest:
    """Return a master profile for these mailboxes."""
    return profile_request(
        name=name,
        kind=ProfileKind.MASTER,
        server=Server(host, port, Access.IMAP),
        user=MASTER,
        password=Secret(PASSWORD),
        mailboxes=mailboxes,
        no_master_mailbox=True,
        max_jobs=100,
    )
