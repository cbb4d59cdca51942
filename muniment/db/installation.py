"""The installation: its id, the key that encrypts its passwords, and whether it is empty."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from muniment.db.database import Database, Session
from muniment.db.sql import load
from muniment.errors import Conflict

_SQL = load("installation")


@dataclass(frozen=True)
class Installation:
    """The id of an installation, and the sealed value by which it recognises its key."""

    id: str
    key_check: bytes


@dataclass(frozen=True)
class _Row:
    id: UUID
    key_check: bytes


class Hold(StrEnum):
    """What a transaction prevents until its end: nothing, a change of the active key, or sealing."""

    NOTHING = "nothing"
    ACTIVE_KEY = "active key"
    SEALING = "sealing"


async def find(session: Session, hold: Hold = Hold.NOTHING) -> Installation | None:
    """Return the installation; None if no key was used with this database yet. `hold` requires a transaction."""
    if hold is Hold.SEALING:
        row = await session.row(_Row, _SQL["find_to_change"])
    elif hold is Hold.ACTIVE_KEY:
        row = await session.row(_Row, _SQL["find_to_seal"])
    else:
        row = await session.row(_Row, _SQL["find"])
    return None if row is None else Installation(str(row.id), row.key_check)


async def add(session: Session, found: Installation) -> None:
    """Store the installation's id and check value, unless there are some already."""
    await session.execute(_SQL["add"], UUID(found.id), found.key_check)


async def set_key_check(session: Session, key_check: bytes) -> None:
    """Make the key of a check value the active one."""
    await session.execute(_SQL["set_key_check"], key_check)


async def is_used(session: Session) -> bool:
    """Whether there are passwords or messages: then a missing installation was deleted."""
    used: bool = await session.value(_SQL["is_used"])
    return used


async def keep_passwords(session: Session) -> None:
    """Prevent everybody from storing passwords until the transaction ends."""
    await session.execute(_SQL["keep_passwords"])


async def forget_passwords(session: Session) -> None:
    """Delete all passwords; requires a transaction."""
    await session.execute(_SQL["forget_profile_passwords"])
    await session.execute(_SQL["forget_mailbox_passwords"])


@asynccontextmanager
async def only_rotation(session: Session) -> AsyncIterator[None]:
    """Let nobody else rotate the key during the block; Conflict if somebody does."""
    if not await session.value(_SQL["start_rotation"]):
        raise Conflict("the key is being rotated by another process")
    try:
        yield
    finally:
        await session.execute(_SQL["end_rotation"])


@dataclass(frozen=True)
class _SealedBy:
    header: bytes
    values: int


async def sealed_by(session: Session) -> dict[bytes, int]:
    """Return how many stored passwords begin with each header (`sealing.SecretBox.header`)."""
    return {row.header: row.values for row in await session.rows(_SealedBy, _SQL["sealed_by"])}


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
