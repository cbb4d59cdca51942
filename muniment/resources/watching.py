"""Opens what shows the state of the installation: what reads the archive, the broker and the governor."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from muniment.db.database import Database
from muniment.embedded import endpoints
from muniment.errors import Misconfigured
from muniment.governor import RedisGovernor, Script, Timing
from muniment.queue import CeleryQueue
from muniment.queue.url import redis_py_url
from muniment.resources.reading import open_for_reading
from muniment.secrecy import Secret
from muniment.services.operating.server_limits import default_limits, server_memory
from muniment.services.resources import Resources
from muniment.settings import Settings


@asynccontextmanager
async def open_for_watching(settings: Settings, *, connections: int = 10) -> AsyncIterator[Resources]:
    """Open all resources but the key and the way to the mail servers; raise as `open_for_reading` does."""
    settings = endpoints.resolve(settings)
    if settings.redis_url is None:
        raise Misconfigured("MUNIMENT_REDIS_URL is not set")
    async with AsyncExitStack() as stack:
        resources = await stack.enter_async_context(open_for_reading(settings, connections=connections))
        queue = CeleryQueue(settings.redis_url)
        stack.push_async_callback(queue.close)
        governor = _governor(settings, settings.redis_url, resources.database)
        stack.push_async_callback(governor.close)
        yield replace(resources, queue=queue, governor=governor)


def _governor(settings: Settings, redis_url: Secret, database: Database) -> RedisGovernor:
    timing = Timing()
    script = Script(redis_py_url(redis_url.reveal()), timing)
    return RedisGovernor(script, server_memory(database, timing), default_limits(settings), timing)
