"""Create users and list them."""

from __future__ import annotations

from collections.abc import Sequence

from muniment.db import users
from muniment.db.database import Database
from muniment.model.user import User


async def add_user(database: Database, name: str, addresses: Sequence[str]) -> None:
    """Create a user; the first address is the primary one. Conflict when name or address is taken."""
    async with database.transaction() as session:
        await users.add(session, name, addresses)


async def list_users(database: Database) -> list[User]:
    """Return every user, by name."""
    async with database.session() as session:
        return await users.list_all(session)
