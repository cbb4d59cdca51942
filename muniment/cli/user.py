"""`muniment user`: each user owns an archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from muniment.cli.connect import with_database
from muniment.cli.names import Address, Name
from muniment.cli.output import Column, plural, print_json, print_table
from muniment.services.directories.users import add_user, list_users

if TYPE_CHECKING:
    from muniment.db.users import User


@click.group()
def user() -> None:
    """Users: each owns an archive, and has e-mail addresses by which mailboxes are found."""


@user.command("add")
@click.argument("name", type=Name())
@click.option(
    "--email", "emails", type=Address(), multiple=True, required=True, help="An address; the first is the primary one."
)
def add(name: str, emails: tuple[str, ...]) -> None:
    """Create the user NAME with one or more addresses.

    A master profile without --mailboxes archives the primary address of every user.
    """
    with_database(lambda database: add_user(database, name, emails))
    click.echo(f"user {name} added with {plural(len(emails), 'address')}")


@user.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List all users with their addresses, the primary one first."""
    users = with_database(list_users)
    if as_json:
        print_json([user_shape(found) for found in users])
    elif users:
        print_table(
            [Column("user"), Column("addresses"), Column("may"), Column("in the own archive")],
            [tuple(map(", ".join, ([u.name], u.addresses, u.privileges, u.own_archive))) for u in users],
        )
    else:
        click.echo("no users yet: `muniment user add NAME --email ADDRESS` creates one")


def user_shape(found: User) -> dict[str, object]:
    """`id`, `name`, `addresses[]` (the primary one first), `privileges[]` (new users may log in), `own_archive[]` (what
    they may do there: read).
    """  # noqa: D205 - the keys are one paragraph; docs/cli.md shows it
    return {
        "id": found.id,
        "name": found.name,
        "addresses": found.addresses,
        "privileges": found.privileges,
        "own_archive": found.own_archive,
    }
