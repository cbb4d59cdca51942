"""Opens all resources."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from muniment.attachments import AttachmentReader
from muniment.network import NetworkConnector
from muniment.resources.watching import open_for_watching
from muniment.sealing import KeyRing
from muniment.services.operating.check_installation import check_installation
from muniment.services.resources import NO_KEY, Resources
from muniment.settings import Settings


@asynccontextmanager
async def open_resources(settings: Settings, *, connections: int = 10, key: bool = True) -> AsyncIterator[Resources]:
    """Open all resources; raise DatabaseUnavailable or Misconfigured if one cannot be opened.

    `key`: whether the process opens stored passwords. Without it, the key file need not be there.
    """
    secrets = KeyRing.from_key_file(settings.key_file) if key else None
    async with open_for_watching(settings, connections=connections) as watching:
        await check_installation(watching.database, secrets)
        resources = replace(
            watching,
            secrets=secrets or NO_KEY,
            connector=NetworkConnector(),
            attachments=AttachmentReader(demanding=settings.attachment_sandbox == "require"),
        )
        try:
            yield resources
        finally:
            await resources.attachments.close()
