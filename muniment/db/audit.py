"""The audit log: who did what, with the state before and after a change, without secrets and without mail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from muniment.db.database import Session
from muniment.db.sql import load
from muniment.model.audit_entry import AuditEntry, Outcome

_SQL = load("audit")


@dataclass(frozen=True, kw_only=True)
class Act:
    """What is recorded of an act; the fields are those of `AuditEntry`."""

    who: str
    action: str
    subject: str
    outcome: Outcome
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    details: Mapping[str, Any] | None = None
    os_uid: int | None = None
    os_name: str | None = None
    login_uid: int | None = None
    claimed: str | None = None


async def add(session: Session, act: Act) -> None:
    """Record an act; a rollback takes the record along."""
    await session.execute(
        _SQL["add"],
        act.who,
        act.action,
        act.subject,
        act.outcome.value,
        act.before,
        act.after,
        act.details,
        act.os_uid,
        act.os_name,
        act.login_uid,
        act.claimed,
    )


async def can_add(session: Session) -> bool:
    """Whether this database can record acts: it is neither empty nor of an earlier version."""
    can: bool = await session.value(_SQL["can_add"])
    return can


async def latest(session: Session, subject: str | None, limit: int) -> list[AuditEntry]:
    """Return the latest acts on one subject or (None) on all, newest first."""
    return await session.rows(AuditEntry, _SQL["latest"], subject, limit)
