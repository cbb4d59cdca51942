"""JSON of the audit log."""

from __future__ import annotations

from muniment.model.audit_entry import AuditEntry
from muniment.shapes.values import utc


def audit_shape(entry: AuditEntry) -> dict[str, object]:
    """`id`, `at`, `who`, `action`, `subject`, `before`, `after` (as in `profile export --json`; null: the object did
    not exist).
    """
    return {
        "id": entry.id,
        "at": utc(entry.at),
        "who": entry.who,
        "action": entry.action,
        "subject": entry.subject,
        "before": entry.before,
        "after": entry.after,
    }
