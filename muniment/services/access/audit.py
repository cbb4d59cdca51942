"""The audit log: who did what to which subject."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from muniment.db import audit
from muniment.db.database import Session
from muniment.model.audit_entry import AuditEntry
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources


class Action(StrEnum):
    """Actions that the audit log records; the values are stored."""

    PROFILE_ADDED = "profile added"
    PROFILE_CHANGED = "profile changed"
    PROFILE_REMOVED = "profile removed"
    USER_ADDED = "user added"
    USER_CHANGED = "user changed"
    USER_REMOVED = "user removed"
    ARCHIVE_SEARCHED = "archive searched"
    QUARANTINE_ACCEPTED = "quarantine accepted"
    QUARANTINE_RETRIED = "quarantine retried"
    QUARANTINE_EXPORTED = "quarantine exported"
    ARCHIVE_SHOWN = "archive shown"


async def act(
    session: Session,
    principal: Principal,
    action: Action,
    subject: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Record an action, in the transaction that performs it.

    `before` is the state of the subject before the action (None: it was created), `after` the state after it (None: it
    was removed). Neither holds a secret.
    """
    await audit.add(session, principal.name, action.value, subject, before, after)


async def show_audit(principal: Principal, resources: Resources, subject: str | None, limit: int) -> list[AuditEntry]:
    """Return the latest actions, newest first, optionally only those on one subject."""
    principal.require(Right.ADMIN)
    async with resources.database.session() as session:
        return await audit.latest(session, subject, limit)
