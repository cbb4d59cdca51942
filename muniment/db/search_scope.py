"""What a searcher may see: archives, their folders, and the places of messages in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from muniment.db.database import Session
from muniment.db.sql import load

_SQL = load("search_scope")


@dataclass(frozen=True)
class FiledRow:
    """A message that matches, at one of its places."""

    store_id: int
    message_id: int
    sha256: bytes
    size: int
    subject: str
    sender: str
    date: datetime | None
    archived: datetime
    user_name: str
    address: str
    path: list[str]
    uid: int


@dataclass(frozen=True)
class FolderRow:
    """A folder that may be searched."""

    id: int
    address: str
    path: list[str]


@dataclass(frozen=True)
class ArchiveRow:
    """A user whose archive may be searched."""

    id: int
    name: str


async def places_of(
    session: Session, messages: Sequence[tuple[int, int]], archives: Sequence[int] | None
) -> list[FiledRow]:
    """Return messages (store, id) with each of their places in these users' archives (None: in all archives)."""
    stores, ids = [store for store, _ in messages], [message for _, message in messages]
    return await session.rows(FiledRow, _SQL["places_of"], stores, ids, _allowed(archives))


async def folders_of(session: Session, archives: Sequence[int] | None) -> list[FolderRow]:
    """Return the folders of these users' archives (None: of all archives)."""
    return await session.rows(FolderRow, _SQL["folders_of"], _allowed(archives))


async def addresses_of(session: Session, users: Sequence[int]) -> list[str]:
    """Return the addresses of these users, and of their mailboxes."""
    return await session.values(_SQL["addresses_of"], list(users))


async def archives_of(session: Session, archives: Sequence[int] | None) -> list[ArchiveRow]:
    """Return the users with these ids (None: all users)."""
    return await session.rows(ArchiveRow, _SQL["archives_of"], _allowed(archives))


def _allowed(archives: Sequence[int] | None) -> list[int] | None:
    return None if archives is None else list(archives)
