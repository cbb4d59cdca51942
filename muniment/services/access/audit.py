"""Show the audit log."""

from __future__ import annotations

from muniment.db import audit
from muniment.db.database import Database
from muniment.model.audit_entry import AuditEntry


async def show_audit(database: Database, subject: str | None, limit: int) -> list[AuditEntry]:
    """Return the latest changes, newest first; of one subject where that is named."""
    async with database.session() as session:
        return await audit.latest(session, subject, limit)
