"""`muniment migrate` and `muniment roles`: the database schema, and who owns it."""

from __future__ import annotations

import click

from muniment.cli.kit.connect import call_as_administrator, call_as_owner, call_with_database_only
from muniment.cli.kit.output import plural
from muniment.services.operating.schema import apply_migrations, count_pending_migrations, create_roles


@click.command("migrate")
@click.option("--check", is_flag=True, help="Only show how many migrations are pending; change nothing.")
def migrate(check: bool) -> None:
    """Update the schema of the database, or of the running `muniment up`.

    Connects with MUNIMENT_OWNER_DATABASE_URL, whose role owns the tables, and gives the role of MUNIMENT_DATABASE_URL
    its rights. If only the latter is set, that role owns the tables. It is safe to repeat this command and to run it
    concurrently. `muniment up` migrates automatically.
    """
    if check:
        waiting = call_with_database_only(count_pending_migrations)
        click.echo(f"{plural(waiting, 'migration')} pending" if waiting else "the schema is up to date")
        return
    done = call_as_owner(apply_migrations)
    click.echo(f"{plural(done, 'migration')} applied" if done else "the schema is up to date")


@click.command("roles")
def roles() -> None:
    """Create the two roles that PostgreSQL needs, or separate those of an existing installation.

    Connects with MUNIMENT_ADMIN_DATABASE_URL, whose role may create roles. Creates the roles named in
    MUNIMENT_OWNER_DATABASE_URL and MUNIMENT_DATABASE_URL, with the passwords in these URLs, and the group
    muniment_reader. The database and all its tables then belong to the owner. It is safe to repeat this command. Run
    `muniment migrate` afterwards.
    """
    owner, runtime = call_as_administrator(create_roles)
    click.echo(f"{owner} owns the database; Muniment works as {runtime}; now run `muniment migrate`")
