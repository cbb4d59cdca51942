"""Migrations of the database schema."""

from __future__ import annotations

from muniment.db import migrate
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources


async def apply_migrations(principal: Principal, resources: Resources) -> int:
    """Apply pending migrations and return how many ran; Misconfigured if the applied history differs."""
    principal.require(Right.ADMIN)
    return await migrate.migrate(resources.database)


async def count_pending_migrations(principal: Principal, resources: Resources) -> int:
    """Return how many migrations are pending."""
    principal.require(Right.ADMIN)
    return await migrate.pending(resources.database)
