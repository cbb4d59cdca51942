"""Flags of archived messages, and their history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from muniment.db.database import Session
from muniment.db.sql import load
from muniment.model.flags import FlagChange

_SQL = load("flags")


async def follow(session: Session, folder_id: int, uidvalidity: int, told: Mapping[int, Sequence[str]]) -> int:
    """Give archived messages the flags that the server reports, by UID; return how many changed.

    Keeps a history. The transaction must check the lease if anything changed.
    """
    texts = [" ".join(flags) for flags in told.values()]
    changed: int = await session.value(_SQL["follow"], folder_id, uidvalidity, list(told), texts)
    return changed


async def changes(session: Session, folder_ids: Sequence[int], message_ids: Sequence[int]) -> list[FlagChange]:
    """Return the changes of these messages' flags in these folders, oldest first."""
    return await session.rows(FlagChange, _SQL["changes"], list(folder_ids), list(message_ids))
