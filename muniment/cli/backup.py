"""`muniment backup` and `muniment restore`: the whole installation in one file."""

from __future__ import annotations

from pathlib import Path

import click

from muniment.cli.kit.connect import call_as_owner, call_with_database_only, settings
from muniment.cli.kit.output import size
from muniment.embedded.postgres import program
from muniment.services.operating.back_up import back_up, restore_backup


@click.command("backup")
@click.option("--to", "file", type=click.Path(path_type=Path, dir_okay=False), required=True, help="File to create.")
def backup(file: Path) -> None:
    """Write the whole installation, including all mail, to one file. Archiving continues meanwhile.

    The file is in PostgreSQL's custom format (pg_dump). It does not contain the key file: keep a separate copy of
    that. The backup is not encrypted: anyone who can read the file can read the mail.
    """
    written = call_with_database_only(back_up, program("pg_dump"), file)
    click.echo(f"backed up to {file}, {size(written)}; keep a copy of {settings().key_file} in another place")


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def restore(file: Path) -> None:
    """Restore FILE, written by `muniment backup`, into an empty installation.

    First copy the key file of the old installation into place, then start `muniment up` (or create an empty database
    and set MUNIMENT_DATABASE_URL). After the restore, run `muniment verify` to check every message.
    """
    call_as_owner(restore_backup, program("pg_restore"), file)
    click.echo("restored; if this version is newer than the backup, run `muniment migrate`; then run `muniment verify`")
