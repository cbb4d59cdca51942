"""`muniment migrate`: the database's schema."""

from __future__ import annotations

import click

from muniment.cli.kit.connect import call_with_database_only
from muniment.cli.kit.output import plural
from muniment.services.operating.schema import apply_migrations, count_pending_migrations


@click.command("migrate")
@click.option("--check", is_flag=True, help="Run nothing; only tell how many migrations are pending.")
def migrate(check: bool) -> None:
    """Bring the database's schema up to date: of MUNIMENT_DATABASE_URL, or of the running `muniment up`.

    Safe to repeat and to run twice at once. `muniment up` does this by itself.
    """
    if check:
        waiting = call_with_database_only(count_pending_migrations)
        click.echo(f"{plural(waiting, 'migration')} pending" if waiting else "the schema is up to date")
        return
    done = call_with_database_only(apply_migrations)
    click.echo(f"{plural(done, 'migration')} applied" if done else "the schema is up to date")
