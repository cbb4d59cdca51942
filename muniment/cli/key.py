"""`muniment key`: the key that encrypts stored passwords."""

from __future__ import annotations

import click

from muniment.cli.kit.connect import call_with_database_only, settings
from muniment.errors import Conflict, Misconfigured
from muniment.secrecy import SecretBox, create_key_file
from muniment.services.operating.reset_key import reset_key


@click.group()
def key() -> None:
    """Create or reset the key that encrypts stored passwords. All processes use the same key file."""


@key.command("create")
def create() -> None:
    """Create the key file. Do this once per installation, then copy the file to every machine that runs a process.

    `muniment up` creates the key file automatically. Keep a copy in a different place than the database backups.
    """
    path = settings().key_file
    if path.exists():
        raise Conflict(f"{path} already exists", hint="Muniment uses this file; every process needs the same one.")
    try:
        create_key_file(path)
    except OSError as error:
        raise Misconfigured(f"cannot write {path}: {error.strerror}") from error
    click.echo(f"created {path}")


@key.command("reset")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def reset(yes: bool) -> None:
    """Continue with the current key file after the original was lost. Deletes all stored passwords.

    Profiles are kept; set the password of each again with `muniment profile add … --replace`. Archived mail is not
    encrypted with this key and stays readable.
    """
    secrets = SecretBox.from_key_file(settings().key_file)
    if not yes:
        click.confirm("Delete all stored passwords?", abort=True, err=True)

    call_with_database_only(reset_key, secrets)
    click.echo("all stored passwords are deleted; set a new one for each profile (see `muniment profile list`)")
