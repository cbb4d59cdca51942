"""`muniment audit`: who changed what."""

from __future__ import annotations

from typing import Any

import click

from muniment.cli.kit.connect import call_with_database_only
from muniment.cli.kit.names import Name
from muniment.cli.kit.output import Column, local_minute, print_json, print_table, rigid
from muniment.model.audit_entry import AuditEntry
from muniment.services.access.audit import show_audit
from muniment.shapes.audit import audit_shape


@click.command("audit")
@click.option("--of", "subject", type=Name(), metavar="NAME", help="Only changes of this profile.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="Show the latest N changes."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def audit(subject: str | None, limit: int, as_json: bool) -> None:
    """Show who changed what, latest first."""
    entries = call_with_database_only(show_audit, subject, limit)
    if as_json:
        print_json([audit_shape(entry) for entry in entries])
    elif entries:
        columns = [rigid("when"), Column("who"), rigid("action"), Column("name"), Column("changes")]
        print_table(columns, [_row(entry) for entry in entries])
    else:
        click.echo("no changes yet")


def _row(entry: AuditEntry) -> tuple[str, ...]:
    after = entry.after or {}
    changes = str(after.get("query", after.get("accepted because", "")))
    if entry.before is not None and entry.after is not None:
        before, after = _fields(entry.before), _fields(entry.after)
        names = sorted(name for name in before | after if before.get(name) != after.get(name))
        changes = ", ".join(f"{name}: {_text(before, name)} → {_text(after, name)}" for name in names)
    return local_minute(entry.at), entry.who, entry.action, entry.subject, changes


def _fields(document: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the fields of a document by dotted name."""
    fields: dict[str, Any] = {}
    for name, value in document.items():
        if isinstance(value, dict):
            fields |= _fields(value, f"{prefix}{name}.")
        else:
            fields[prefix + name] = value
    return fields


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name, "")
    if isinstance(value, list):
        return f"{len(value)} rows" if value and isinstance(value[0], dict) else "[" + ", ".join(map(str, value)) + "]"
    return str(value)
