"""`muniment key`: the key that stored passwords are encrypted with."""

from __future__ import annotations

import click

from muniment.cli.kit.connect import call_with_database_only, settings
from muniment.errors import Conflict, Misconfigured
from muniment.secrecy import SecretBox, create_key_file
from muniment.services.operating.reset_key import reset_key


@click.group()
def key() -> None:
    """Make or replace the key that stored passwords are encrypted with: one file for every process."""


@key.command("create")
def create() -> None:
    """Make the key file, once for an installation; then copy it to every machine that runs a process.

    `muniment up` makes one by itself. Keep a copy apart from the backups of the database.
    """
    path = settings().key_file
    if path.exists():
        raise Conflict(f"{path} exists already", hint="It is used as it is; every process needs the same one.")
    try:
        create_key_file(path)
    except OSError as error:
        raise Misconfigured(f"cannot write {path}: {error.strerror}") from error
    click.echo(f"made {path}")


@key.command("reset")
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(yes: bool) -> None:
    """Go on with the present key file when the right one is lost: every stored password is forgotten.

    Profiles stay; give each its password again with `muniment profile add … --replace`. Archived mail is not
    encrypted with this key, and stays readable.
    """
    secrets = SecretBox.from_key_file(settings().key_file)
    if not yes:
        click.confirm("Forget every stored password?", abort=True, err=True)

    call_with_database_only(reset_key, secrets)
    click.echo("all stored passwords are forgotten; `muniment profile list` shows who needs a new one")
