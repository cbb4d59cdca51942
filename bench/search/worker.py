"""An index process of the benchmark: reports that it is ready, waits for a line, then drains the outbox completely.

`python -m bench.search.worker FOLDER`
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from bench.search.store import opened
from muniment import log
from muniment.process import reduce_garbage_collection
from muniment.services.indexing.drain_outbox import drain_outbox
from muniment.settings import Settings


async def main(folder: Path) -> None:
    """Drain the outbox until it is empty, as an index worker does."""
    settings = Settings.from_environment()
    assert settings.database_url is not None
    async with opened(settings.database_url.reveal(), folder, settings) as resources:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        while await drain_outbox(resources):
            pass


if __name__ == "__main__":
    log.configure("WARNING", json=False)
    reduce_garbage_collection()
    asyncio.run(main(Path(sys.argv[1])))
