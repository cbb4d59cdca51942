"""What archives hold, by mailbox and by folder."""

from __future__ import annotations

from muniment.db.database import Session
from muniment.db.sql import load
from muniment.model.proof import ArchivedFolder, ArchivedMailbox, MailboxProof

_SQL = load("archives")


async def mailboxes(session: Session, limit: int | None) -> list[ArchivedMailbox]:
    """Return up to `limit` mailboxes (None: all), sorted by user and address."""
    return await session.rows(ArchivedMailbox, _SQL["mailboxes"], limit)


async def count_mailboxes(session: Session) -> int:
    """Return how many mailboxes `mailboxes` has to list."""
    count: int = await session.value(_SQL["count_mailboxes"])
    return count


async def proofs_of(session: Session, user_id: int) -> list[MailboxProof]:
    """Return when the mailboxes of a user were compared, sorted by address."""
    return await session.rows(MailboxProof, _SQL["proofs_of"], user_id)


async def folders_of(session: Session, user_id: int) -> list[ArchivedFolder]:
    """Return the folders of a user's archive, sorted by mailbox and path."""
    return await session.rows(ArchivedFolder, _SQL["folders_of"], user_id)
