"""JSON of the audit log."""

from __future__ import annotations

from muniment.model.audit_entry import AuditEntry
from muniment.shapes.values import utc


def audit_shape(entry: AuditEntry) -> dict[str, object]:
    """`id`, `at`, `who`, `action`, `subject`, `outcome` (`begun`, `done`, `refused`, `failed`), `before`, `after` (as
    in `profile export --json`; null: the object did not exist), `details` (what was asked for, or why it failed),
    `process{uid, account, login_uid}` (what the operating system says), `claimed` (what the caller claims), `role` and
    `client` (what PostgreSQL knows).
    """
    return {
        "id": entry.id,
        "at": utc(entry.at),
        "who": entry.who,
        "action": entry.action,
        "subject": entry.subject,
        "outcome": entry.outcome,
        "before": entry.before,
        "after": entry.after,
        "details": entry.details,
        "process": {"uid": entry.os_uid, "account": entry.os_name, "login_uid": entry.login_uid},
        "claimed": entry.claimed,
        "role": entry.role,
        "client": entry.client,
    }
