"""An archive filled without a mail server, to measure the index alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path

from muniment.contents import PostgresContents
from muniment.db.database import Database
from muniment.embedded.postgres import EmbeddedPostgres
from muniment.errors import Conflict
from muniment.mailserver import ByteBudget
from muniment.queue import MemoryQueue
from muniment.resources.index import open_index
from muniment.sealing import KeyRing
from muniment.secrecy import Secret, create_key_file
from muniment.services.resources import Resources
from muniment.settings import Settings
from tests.support.services import create_template

_numbers = count(1)


@asynccontextmanager
async def opened(url: str, folder: Path, environment: Settings) -> AsyncIterator[Resources]:
    """Open the resources for indexing and searching, with the index that `environment` selects; `folder` exists."""
    settings = Settings(data=folder, administrators_search=True)
    with suppress(Conflict):
        create_key_file(settings.key_file)
    database = await Database.open(Secret(url))
    index = open_index(environment, database)
    resources = Resources(
        settings=settings,
        database=database,
        budget=ByteBudget(1),
        secrets=KeyRing.from_key_file(settings.key_file),
        queue=MemoryQueue(),
        index=index,
        contents=PostgresContents(database),
    )
    try:
        yield resources
    finally:
        await resources.attachments.close()
        await index.close()
        await database.close()


def new_database(server: EmbeddedPostgres) -> str:
    """Return the URL of a new, migrated database."""

    async def make() -> str:
        name = f"bench_{next(_numbers)}"
        await create_template(server, name)
        return server.url_of(name)

    return asyncio.run(make())
