"""`muniment deletions`: the ledger of messages deleted on mail servers."""

from __future__ import annotations

import click

from muniment.cli.kit.connect import call_with_database_only
from muniment.cli.kit.names import LIMIT, RUN_ID, Address
from muniment.cli.kit.output import (
    Column,
    folder_text,
    local_minute,
    number,
    plural,
    print_json,
    print_table,
    right,
    rigid,
)
from muniment.model.deletion import Deletion, KeptMessage
from muniment.services.deleting.show_deletions import show_deletions, show_kept
from muniment.shapes.messages import deletion_shape, kept_shape


@click.command("deletions")
@click.option("--kept", is_flag=True, help="Show instead what rules leave on the server because something is wrong.")
@click.option("--run", "run_id", type=RUN_ID, metavar="ID", help="Only deletions of this run.")
@click.option("--mailbox", type=Address(), help="Only deletions in this mailbox.")
@click.option(
    "--limit",
    type=LIMIT,
    metavar="N",
    default=50,
    show_default=True,
    help="Show the newest N deletions.",
)
@click.option("--all", "everything", is_flag=True, help="Show all deletions.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def deletions(kept: bool, run_id: int | None, mailbox: str | None, limit: int, everything: bool, as_json: bool) -> None:
    """Show which messages profile rules deleted on mail servers, in which run, and when.

    Before each deletion the message was read back from the archive and its hash verified. `muniment message SHA256`
    shows where a message is archived.
    """
    most = None if everything else limit
    if kept:
        _show_kept(run_id, mailbox, most, as_json=as_json)
        return
    found = call_with_database_only(show_deletions, run_id=run_id, address=mailbox, limit=most)
    if as_json:
        print_json([deletion_shape(row) for row in found])
        return
    if found:
        columns = [rigid("deleted"), right("run"), Column("folder"), right("UID"), Column("SHA-256")]
        print_table(columns, [_row(row) for row in found])
    more = f" (newest {limit}; use --all to show all)" if most is not None and len(found) == limit else ""
    click.echo(f"{plural(len(found), 'message')}{more}")


def _show_kept(run_id: int | None, mailbox: str | None, most: int | None, *, as_json: bool) -> None:
    found = call_with_database_only(show_kept, run_id=run_id, address=mailbox, limit=most)
    if as_json:
        print_json([kept_shape(row) for row in found])
        return
    if found:
        columns = [Column("folder"), right("UID"), right("announced"), right("received"), Column("reason")]
        print_table(columns, [_kept_row(row) for row in found])
    more = f" (first {most}; use --all to show all)" if most is not None and len(found) == most else ""
    click.echo(f"{plural(len(found), 'message')}{more}")


def _kept_row(row: KeptMessage) -> tuple[str, ...]:
    sizes = ["" if count is None else number(count) for count in (row.announced, row.received)]
    return folder_text((row.address, *row.path)), str(row.uid), *sizes, row.reason


def _row(row: Deletion) -> tuple[str, ...]:
    when = local_minute(row.deleted) if row.deleted else "not yet"
    return when, str(row.run_id), folder_text((row.address, *row.path)), str(row.uid), row.sha256.hex()
