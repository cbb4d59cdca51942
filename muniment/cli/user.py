"""`muniment user`: users and their e-mail addresses."""

from __future__ import annotations

import click

from muniment.cli.kit.connect import call_with_database_only
from muniment.cli.kit.names import Address, Name
from muniment.cli.kit.output import Column, plural, print_json, print_table
from muniment.services.directories.users import add_user, list_users
from muniment.shapes.users import user_shape


@click.group()
def user() -> None:
    """Add and list users. Each user owns an archive; e-mail addresses assign mailboxes to users."""


@user.command("add")
@click.argument("name", type=Name())
@click.option(
    "--email",
    "emails",
    type=Address(),
    multiple=True,
    required=True,
    help="E-mail address; repeatable. The first one is the primary address.",
)
def add(name: str, emails: tuple[str, ...]) -> None:
    """Add the user NAME with one or more e-mail addresses.

    A master profile without --mailboxes archives the primary address of every user.
    """
    call_with_database_only(add_user, name, emails)
    click.echo(f"user {name} added with {plural(len(emails), 'address')}")


@user.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """List all users with their addresses, primary address first."""
    users = call_with_database_only(list_users)
    if as_json:
        print_json([user_shape(found) for found in users])
    elif users:
        print_table(
            [Column("user"), Column("addresses"), Column("privileges"), Column("rights in own archive")],
            [tuple(map(", ".join, ([u.name], u.addresses, u.privileges, u.own_archive))) for u in users],
        )
    else:
        click.echo("no users yet; to add one: `muniment user add NAME --email ADDRESS`")
