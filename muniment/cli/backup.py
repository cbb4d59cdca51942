"""`muniment backup` and `muniment restore`: the installation in one file."""

from __future__ import annotations

from pathlib import Path

import click

from muniment.cli.kit.connect import call_with_database_only, settings
from muniment.cli.kit.output import size
from muniment.embedded.postgres import program
from muniment.services.operating.back_up import back_up, restore_backup


@click.command("backup")
@click.option("--to", "file", type=click.Path(path_type=Path, dir_okay=False), required=True, help="A new file.")
def backup(file: Path) -> None:
    """Write the whole installation, mail and all, to one file, while everything goes on.

    It is PostgreSQL's custom format (pg_dump). The key file is not in it: keep a copy apart. The file is not encrypted:
    whoever reads it reads the mail.
    """
    written = call_with_database_only(back_up, program("pg_dump"), file)
    click.echo(f"backed up to {file}, {size(written)}; keep a copy of {settings().key_file} elsewhere")


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def restore(file: Path) -> None:
    """Fill an empty installation from a FILE that `muniment backup` wrote.

    First put the key file of the old one in its place, and start `muniment up` (or create an empty database and set
    MUNIMENT_DATABASE_URL). Afterwards `muniment verify` reads every message again.
    """
    call_with_database_only(restore_backup, program("pg_restore"), file)
    click.echo("restored; `muniment migrate` if this version is newer, then `muniment verify`")
