"""`muniment quarantine`: messages that could not be archived yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from muniment.cli.connect import with_resources
from muniment.cli.output import (
    Column,
    folder_text,
    local_minute,
    number,
    plural,
    print_json,
    print_table,
    right,
    rigid,
    utc,
)
from muniment.services.operating.show_status import list_quarantine

if TYPE_CHECKING:
    from muniment.db.status import Quarantined


@click.group()
def quarantine() -> None:
    """Messages that could not be archived; every run of their profile tries them again."""


@quarantine.command("list")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    default=100,
    show_default=True,
    help="How many, the oldest first.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(limit: int, as_json: bool) -> None:
    """List messages in quarantine with their reasons."""
    found = with_resources(lambda resources: list_quarantine(resources, limit))
    if as_json:
        print_json([quarantined_shape(message) for message in found])
    elif found:
        columns = [Column("folder"), right("UID"), Column("reason"), right("tries"), rigid("last tried")]
        print_table(columns, [_row(message) for message in found])
        click.echo(f"{plural(len(found), 'message')}{'; --limit shows more' if len(found) == limit else ''}")
    else:
        click.echo("nothing is in quarantine")


def quarantined_shape(message: Quarantined) -> dict[str, object]:
    """`user`, `folder[]` (the mailbox's address, then the server's path), `uid`, `reason`, `first_seen`, `last_tried`,
    `attempts`.
    """  # noqa: D205 - the keys are one paragraph; docs/cli.md shows it
    return {
        "user": message.user_name,
        "folder": [message.address, *message.path],
        "uid": message.uid,
        "reason": message.reason,
        "first_seen": utc(message.first_seen),
        "last_tried": utc(message.last_tried),
        "attempts": message.attempts,
    }


def _row(message: Quarantined) -> tuple[str, ...]:
    path = folder_text([message.address, *message.path])
    return path, str(message.uid), message.reason, number(message.attempts), local_minute(message.last_tried)
