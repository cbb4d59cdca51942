"""An index worker without Celery, for tests that kill it: `python -m tests.support.index_worker`."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from muniment.contents import PostgresContents
from muniment.db.database import Database
from muniment.errors import Misconfigured, Transient
from muniment.mailserver import ByteBudget
from muniment.queue import MemoryQueue
from muniment.resources.index import open_index
from muniment.sealing import KeyRing
from muniment.services.indexing.tend_index import work_at_index
from muniment.services.resources import Resources
from muniment.settings import Settings
from tests.support.principal import ADMIN


async def main() -> None:
    """Drain the outbox and maintain the index until killed."""
    settings = replace(Settings.from_environment(), index_batch=10)
    assert settings.database_url is not None
    database = await Database.open(settings.database_url)
    secrets = KeyRing.from_key_file(settings.key_file)
    resources = Resources(
        settings=settings,
        database=database,
        budget=ByteBudget(1),
        secrets=secrets,
        queue=MemoryQueue(),
        index=open_index(settings, database),
        contents=PostgresContents(database),
    )
    while True:
        with suppress(Transient, Misconfigured):
            await work_at_index(ADMIN, resources)
        await asyncio.sleep(0.01)


if __name__ == "__main__":
    asyncio.run(main())
