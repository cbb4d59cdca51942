"""`muniment migrate`: the database schema."""

from __future__ import annotations

import click

from muniment.cli.kit.connect import call_with_database_only
from muniment.cli.kit.output import plural
from muniment.services.operating.schema import apply_migrations, count_pending_migrations


@click.command("migrate")
@click.option("--check", is_flag=True, help="Only show how many migrations are pending; change nothing.")
def migrate(check: bool) -> None:
    """Update the schema of the database at MUNIMENT_DATABASE_URL, or of the running `muniment up`.

    It is safe to repeat this command and to run it concurrently. `muniment up` migrates automatically.
    """
    if check:
        waiting = call_with_database_only(count_pending_migrations)
        click.echo(f"{plural(waiting, 'migration')} pending" if waiting else "the schema is up to date")
        return
    done = call_with_database_only(apply_migrations)
    click.echo(f"{plural(done, 'migration')} applied" if done else "the schema is up to date")
