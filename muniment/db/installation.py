"""The installation: the key that encrypts its passwords, and whether it is empty."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from muniment.db.database import Database, Session
from muniment.db.sql import load

_SQL = load("installation")


async def key_check(session: Session, proposed: bytes) -> bytes:
    """Return the stored check value encrypted with the installation's key; store `proposed` if there is none."""
    stored: bytes | None = await session.value(_SQL["key_check"])
    if stored is None:
        await session.execute(_SQL["set_key_check"], proposed)
        stored = await session.value(_SQL["key_check"])
        assert stored is not None
    return stored


async def replace_key(session: Session, key_check: bytes) -> None:
    """Adopt a new key and delete all passwords encrypted with the old one; requires a transaction."""
    await session.execute(_SQL["replace_key_check"], key_check)
    await session.execute(_SQL["forget_profile_passwords"])
    await session.execute(_SQL["forget_mailbox_passwords"])


async def is_empty(session: Session) -> bool:
    """Whether this installation is unused."""
    empty: bool = await session.value(_SQL["is_empty"])
    return empty


async def is_bare(session: Session) -> bool:
    """Whether the database has no schema."""
    bare: bool = await session.value(_SQL["is_bare"])
    return bare


@asynccontextmanager
async def put_aside(database: Database) -> AsyncIterator[None]:
    """Empty the database for the duration of the block; restore the old contents if it fails, else drop them."""
    async with database.transaction() as session:
        await session.execute(_SQL["put_aside"])
        await session.execute(_SQL["make_bare"])
    try:
        yield
    except BaseException:
        async with database.transaction() as session:
            await session.execute(_SQL["drop_restored"])
            await session.execute(_SQL["bring_back"])
        raise
    async with database.session() as session:
        await session.execute(_SQL["forget_aside"])
