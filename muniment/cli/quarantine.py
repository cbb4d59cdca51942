"""`muniment quarantine`: messages that could not be archived yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from muniment.cli.kit.connect import call_with_database_only
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
from muniment.services.operating.show_status import list_quarantine
from muniment.shapes.messages import quarantined_shape

if TYPE_CHECKING:
    from muniment.model.quarantined import Quarantined


@click.group()
def quarantine() -> None:
    """Messages that could not be archived. Every run of their profile retries them."""


@quarantine.command("list")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    default=100,
    show_default=True,
    help="Show the oldest N messages.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(limit: int, as_json: bool) -> None:
    """List quarantined messages with the reason for each."""
    found = call_with_database_only(list_quarantine, limit)
    if as_json:
        print_json([quarantined_shape(message) for message in found])
    elif found:
        columns = [Column("folder"), right("UID"), Column("reason"), right("tries"), rigid("last tried")]
        print_table(columns, [_row(message) for message in found])
        click.echo(f"{plural(len(found), 'message')}{'; use --limit to show more' if len(found) == limit else ''}")
    else:
        click.echo("no messages in quarantine")


def _row(message: Quarantined) -> tuple[str, ...]:
    path = folder_text([message.address, *message.path])
    return path, str(message.uid), message.reason, number(message.attempts), local_minute(message.last_tried)
