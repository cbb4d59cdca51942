"""`muniment backup` and `muniment restore`: the installation in one file."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from muniment.cli.kit.connect import quiet, settings
from muniment.cli.kit.output import size
from muniment.embedded import endpoints
from muniment.embedded.postgres import program
from muniment.errors import Misconfigured
from muniment.resources import open_database
from muniment.secrecy import Secret
from muniment.services.operating import back_up
from muniment.settings import Settings


@click.command("backup")
@click.option("--to", "file", type=click.Path(path_type=Path, dir_okay=False), required=True, help="A new file.")
def backup(file: Path) -> None:
    """Write the whole installation, mail and all, to one file, while everything goes on.

    It is PostgreSQL's custom format (pg_dump). The key file is not in it: keep a copy apart. The file is not encrypted:
    whoever reads it reads the mail.
    """
    found = quiet(settings())
    written = asyncio.run(back_up.back_up(program("pg_dump"), _url(found), file))
    click.echo(f"backed up to {file}, {size(written)}; keep a copy of {found.key_file} elsewhere")


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def restore(file: Path) -> None:
    """Fill an empty installation from a FILE that `muniment backup` wrote.

    First put the key file of the old one in its place, and start `muniment up` (or create an empty database and set
    MUNIMENT_DATABASE_URL). Afterwards `muniment verify` reads every message again.
    """
    found = quiet(settings())

    async def body() -> None:
        async with open_database(found) as database:
            await back_up.restore(program("pg_restore"), database, _url(found), file)

    asyncio.run(body())
    click.echo("restored; `muniment migrate` if this version is newer, then `muniment verify`")


def _url(found: Settings) -> Secret:
    url = found.database_url or endpoints.resolve(found).database_url
    if url is None:
        raise Misconfigured("MUNIMENT_DATABASE_URL is not set")
    return url
