"""`muniment migrate`: the database's schema."""

from __future__ import annotations

import click

from muniment.cli.kit.connect import with_database
from muniment.cli.kit.output import plural
from muniment.db import migrate as migrations


@click.command("migrate")
@click.option("--check", is_flag=True, help="Run nothing; only tell how many migrations are pending.")
def migrate(check: bool) -> None:
    """Bring the database's schema up to date: of MUNIMENT_DATABASE_URL, or of the running `muniment up`.

    Safe to repeat and to run twice at once. `muniment up` does this by itself.
    """
    if check:
        waiting = with_database(migrations.pending)
        click.echo(f"{plural(waiting, 'migration')} pending" if waiting else "the schema is up to date")
        return
    done = with_database(migrations.migrate)
    click.echo(f"{plural(done, 'migration')} applied" if done else "the schema is up to date")
