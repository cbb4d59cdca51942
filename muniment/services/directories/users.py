"""Create users and list them."""

from __future__ import annotations

from collections.abc import Sequence

from muniment.db import users
from muniment.model.user import User
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources


async def add_user(principal: Principal, resources: Resources, name: str, addresses: Sequence[str]) -> None:
    """Create a user; the first address is the primary one. Raises Conflict if the name or an address is taken."""
    principal.require(Right.ADMIN)
    async with resources.database.transaction() as session:
        await users.add(session, name, addresses)


async def list_users(principal: Principal, resources: Resources) -> list[User]:
    """Return all users, ordered by name."""
    principal.require(Right.ADMIN)
    async with resources.database.session() as session:
        return await users.list_all(session)
