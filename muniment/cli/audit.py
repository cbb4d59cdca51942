"""`muniment audit`: who did what."""

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
@click.option("--of", "subject", type=Name(), metavar="NAME", help="Only acts on this profile, user or server.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="Show the latest N acts."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def audit(subject: str | None, limit: int, as_json: bool) -> None:
    """Show who did what, latest first.

    Reading counts: searches with their words, exports, messages shown. "who" is the account that ran the command, and
    "uid" its number; "claimed" is another name that the environment claims, such as that of the caller of sudo. A login
    account that differs, as Linux remembers it across sudo, follows the number.
    """
    entries = call_with_database_only(show_audit, subject, limit)
    if as_json:
        print_json([audit_shape(entry) for entry in entries])
    elif entries:
        columns = [rigid("when"), Column("who"), rigid("uid"), Column("claimed"), rigid("action"), Column("name")]
        columns += [rigid("outcome"), Column("details")]
        print_table(columns, [_row(entry) for entry in entries])
    else:
        click.echo("nothing yet")


def _row(entry: AuditEntry) -> tuple[str, ...]:
    uid = "" if entry.os_uid is None else str(entry.os_uid)
    if entry.login_uid not in {None, entry.os_uid}:
        uid += f" (login {entry.login_uid})"
    who = (entry.who, uid, entry.claimed or "")
    return local_minute(entry.at), *who, entry.action, entry.subject, entry.outcome, _details(entry)


def _details(entry: AuditEntry) -> str:
    if entry.before is not None and entry.after is not None:
        before, after = _fields(entry.before), _fields(entry.after)
        names = sorted(name for name in before | after if before.get(name) != after.get(name))
        return ", ".join(f"{name}: {_text(before, name)} → {_text(after, name)}" for name in names)
    # Earlier versions kept the words of a search with the states of changed objects.
    asked = {"query": entry.after["query"]} if entry.after and "query" in entry.after else {}
    asked |= _fields(entry.details or {})
    return ", ".join(f"{name}: {_text(asked, name)}" for name in asked)


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
