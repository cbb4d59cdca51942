"""The audit log: who changed what, with the state before and after, without secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muniment.db.database import Session
from muniment.db.sql import load
from muniment.model.audit_entry import AuditEntry

_SQL = load("audit")


async def add(
    session: Session,
    who: str,
    action: str,
    subject: str,
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
) -> None:
    """Record a change, in the transaction that makes it."""
    await session.execute(_SQL["add"], who, action, subject, before, after)


async def latest(session: Session, subject: str | None, limit: int) -> list[AuditEntry]:
    """Return the latest changes of one subject or (None) of all, newest first."""
    return await session.rows(AuditEntry, _SQL["latest"], subject, limit)
