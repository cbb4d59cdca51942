"""The database's schema, and the processes that work with it."""

from __future__ import annotations

from muniment.db import migrate
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources


async def apply_migrations(principal: Principal, resources: Resources) -> int:
    """Bring the schema up to date and return how many migrations ran; Misconfigured if history differs."""
    principal.require(Right.ADMIN)
    return await migrate.migrate(resources.database)


async def count_pending_migrations(principal: Principal, resources: Resources) -> int:
    """Return how many migrations have not run yet."""
    principal.require(Right.ADMIN)
    return await migrate.pending(resources.database)
