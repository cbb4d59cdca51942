"""`muniment saved-search`: searches saved under a name."""

from __future__ import annotations

import asyncio

import click

from muniment.cli.kit.connect import call
from muniment.cli.kit.names import Name
from muniment.cli.kit.output import Column, local_minute, number, plural, print_json, print_table, right, rigid
from muniment.errors import Transient
from muniment.model.saved_search import SavedSearch
from muniment.services.access.principal import Principal
from muniment.services.resources import Resources
from muniment.services.searching.saved_searches import (
    find_search,
    list_searches,
    remove_search,
    request_search,
    save_search,
)
from muniment.shapes.searches import search_shape

_POLL_SECONDS = 0.25
_WAIT_SECONDS = 120.0

_user = click.option("--user", required=True, type=Name(), metavar="NAME", help="Owner of the search.")
_name = click.argument("name", type=Name())


@click.group("saved-search")
def saved_search() -> None:
    """Save searches under a name and count their results."""


@saved_search.command("add")
@_name
@click.argument("query", nargs=-1, required=True)
@_user
def add(name: str, query: tuple[str, ...], user: str) -> None:
    """Save QUERY under NAME. QUERY is written as for `muniment search`."""
    call(save_search, user, name, " ".join(query))
    click.echo(f"saved {name}")


@saved_search.command("list")
@click.option("--user", type=Name(), metavar="NAME", help="Only the searches of this user.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(user: str | None, as_json: bool) -> None:
    """List saved searches with the number of results of the last execution."""
    found = call(list_searches, user)
    if as_json:
        print_json([search_shape(search) for search in found])
    elif found:
        columns = [Column("user"), Column("name"), Column("query"), right("results"), rigid("last run")]
        print_table(columns, [_row(search) for search in found])
    else:
        click.echo("no saved searches")


@saved_search.command("run")
@_name
@_user
@click.option("--no-wait", is_flag=True, help="Do not wait for the scheduler to run it.")
def run(name: str, user: str, no_wait: bool) -> None:
    """Execute a saved search and store the number of results.

    The scheduler executes the search.
    """

    async def work(principal: Principal, resources: Resources) -> SavedSearch | None:
        before = await request_search(principal, resources, user, name)
        if no_wait:
            return None
        try:
            async with asyncio.timeout(_WAIT_SECONDS):
                while (found := await find_search(principal, resources, user, name)).last_run == before.last_run:  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_SECONDS)  # the search runs in another process
        except TimeoutError:
            raise Transient(
                "the scheduler did not run the search within two minutes",
                hint="Check with `muniment status` that the scheduler is running; the search stays requested.",
            ) from None
        return found

    found = call(work)
    if found is None:
        click.echo("requested; the scheduler will run the search")
    elif found.error:
        click.echo(f"the search failed: {found.error}")
    else:
        click.echo(f"{plural(found.results or 0, 'message')} found")


@saved_search.command("remove")
@_name
@_user
def remove(name: str, user: str) -> None:
    """Remove a saved search."""
    call(remove_search, user, name)
    click.echo(f"removed {name}")


def _row(search: SavedSearch) -> tuple[str, ...]:
    results = "failed" if search.error else "" if search.results is None else number(search.results)
    last = local_minute(search.last_run) if search.last_run else "never"
    return search.user_name, search.name, search.query, results, last
