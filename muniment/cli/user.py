"""`muniment user`: users and their e-mail addresses."""

from __future__ import annotations

import click

from muniment.cli.kit.connect import call_with_database_only
from muniment.cli.kit.names import Address, Name
from muniment.cli.kit.output import Column, local_time, plural, print_json, print_table, print_warnings
from muniment.model.user import User
from muniment.services.directories.users import (
    add_address,
    add_user,
    list_users,
    remove_address,
    remove_user,
    rename_user,
    set_addresses,
)
from muniment.shapes.users import user_shape

_emails = click.option(
    "--email",
    "emails",
    type=Address(),
    multiple=True,
    required=True,
    help="E-mail address; repeatable. The first one is the primary address.",
)
_name = click.argument("name", type=Name())


@click.group()
def user() -> None:
    """Manage users. Each user owns an archive; e-mail addresses assign mailboxes to users."""


@user.command("add")
@_name
@_emails
@click.option("--with-archive", is_flag=True, help="Give the user the archive that the removed user NAME left.")
def add(name: str, emails: tuple[str, ...], with_archive: bool) -> None:
    """Add the user NAME with one or more e-mail addresses.

    A master profile without --mailboxes archives the primary address of every user.
    """
    call_with_database_only(add_user, name, emails, with_archive=with_archive)
    click.echo(f"user {name} added with {plural(len(emails), 'address')}")


@user.command("edit")
@_name
@_emails
def edit(name: str, emails: tuple[str, ...]) -> None:
    """Replace the e-mail addresses of the user NAME.

    Mail that was archived under an old address stays in the user's archive.
    """
    _print_addresses(call_with_database_only(set_addresses, name, emails))


@user.command("rename")
@_name
@click.argument("new_name", type=Name())
def rename(name: str, new_name: str) -> None:
    """Rename the user NAME to NEW_NAME.

    The archive follows: it is found under the new name from now on. Addresses and profiles do not change.
    """
    call_with_database_only(rename_user, name, new_name)
    click.echo(f"user {name} is now {new_name}")


@user.command("remove")
@_name
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def remove(name: str, yes: bool) -> None:
    """Remove the user NAME, but keep the archive.

    The user's addresses become free, and profiles of all users no longer archive them. Administrators still search and
    export the archive with --user NAME, and `muniment user add NAME --with-archive` gives it to a user again.
    """
    if not yes:
        click.confirm(f"Remove user {name} and keep the archive?", abort=True, err=True)
    profiles = call_with_database_only(remove_user, name)
    click.echo(f"user {name} removed; the archive remains")
    if profiles:
        names = ", ".join(profiles)
        print_warnings(
            [f"{plural(len(profiles), 'profile')} still archive into it, because it is named there: {names}"]
        )


@user.group("address")
def address() -> None:
    """Add and remove single e-mail addresses of a user."""


@address.command("add")
@_name
@click.argument("email", metavar="ADDRESS", type=Address())
@click.option("--primary", is_flag=True, help="Make it the primary address, also if the user has it already.")
def address_add(name: str, email: str, primary: bool) -> None:
    """Add ADDRESS to the user NAME."""
    _print_addresses(call_with_database_only(add_address, name, email, primary=primary))


@address.command("remove")
@_name
@click.argument("email", metavar="ADDRESS", type=Address())
def address_remove(name: str, email: str) -> None:
    """Take ADDRESS from the user NAME.

    If it was the primary address, the next one becomes primary. Archived mail stays in the user's archive.
    """
    _print_addresses(call_with_database_only(remove_address, name, email))


@user.command("list")
@click.option("--removed", is_flag=True, help="Include removed users, whose archives remain.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(removed: bool, as_json: bool) -> None:
    """List all users with their addresses, primary address first."""
    found = call_with_database_only(list_users, removed=removed)
    if as_json:
        print_json([user_shape(one) for one in found])
    elif found:
        columns = [Column("user"), Column("addresses"), Column("privileges"), Column("rights in own archive")]
        if removed:
            columns.append(Column("removed"))
        print_table(columns, [_row(one)[: len(columns)] for one in found])
    else:
        click.echo("no users yet; to add one: `muniment user add NAME --email ADDRESS`")


def _row(found: User) -> tuple[str, ...]:
    listed = (found.addresses, found.privileges, found.own_archive)
    return (found.name, *map(", ".join, listed), local_time(found.removed) if found.removed else "")


def _print_addresses(found: User) -> None:
    click.echo(f"addresses of {found.name}: {', '.join(found.addresses) or 'none'}")
