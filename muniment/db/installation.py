"""The installation: which key its passwords are encrypted with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from muniment.db.database import Database, Session
from muniment.db.sql import load

_SQL = load("installation")


async def key_check(session: Session, proposed: bytes) -> bytes:
    """Return what the installation's key encrypted once; `proposed` becomes that when there is nothing yet."""
    found: bytes | None = await session.value(_SQL["key_check"])
    if found is None:
        await session.execute(_SQL["set_key_check"], proposed)
        found = await session.value(_SQL["key_check"])
        assert found is not None
    return found


async def replace_key(session: Session, key_check: bytes) -> None:
    """Adopt another key: forget every password that the old one encrypted; needs a transaction."""
    await session.execute(_SQL["replace_key_check"], key_check)
    await session.execute(_SQL["forget_profile_passwords"])
    await session.execute(_SQL["forget_mailbox_passwords"])


async def is_empty(session: Session) -> bool:
    """Whether nobody has used this installation yet."""
    empty: bool = await session.value(_SQL["is_empty"])
    return empty


async def is_bare(session: Session) -> bool:
    """Whether there is not even a schema."""
    bare: bool = await session.value(_SQL["is_bare"])
    return bare


@asynccontextmanager
async def put_aside(database: Database) -> AsyncIterator[None]:
    """Make the database bare within the block; when that fails, bring back what was there, or else forget it."""
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
