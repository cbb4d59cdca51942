"""`muniment search`: search archived messages."""

from __future__ import annotations

import sys

import click
from rich.text import Text

from muniment.cli.kit.connect import call_for_reading
from muniment.cli.kit.output import (
    Column,
    console,
    folder_text,
    local_minute,
    number,
    plural,
    print_indented,
    print_json,
    print_table,
    print_warnings,
    right,
    rigid,
    shown,
    size,
)
from muniment.search import Sort
from muniment.services.access.principal import Principal
from muniment.services.resources import Resources
from muniment.services.searching.mark_matches import Snippet
from muniment.services.searching.search_messages import MOST_COUNTED, Found, Hit, Search, search_messages
from muniment.shapes.searches import found_shape

_MATCH = "bold yellow"


@click.command("search")
@click.argument("query", nargs=-1, required=True)
@click.option(
    "--user",
    metavar="NAME",
    help="Search as this user. Without it, search the archives of all users, if MUNIMENT_ADMINISTRATORS_SEARCH "
    "allows it.",
)
@click.option(
    "--sort",
    type=click.Choice([sort.value for sort in Sort]),
    default=Sort.DATE.value,
    show_default=True,
    help="date: newest first. relevance: matches in the subject before matches in names before matches in the text.",
)
@click.option(
    "--limit", type=click.IntRange(1, 1000), metavar="N", default=50, show_default=True, help="Messages per page."
)
@click.option(
    "--page", metavar="NAME", default="", help="Show the page with this name, as printed by the previous page."
)
@click.option("--facets", is_flag=True, help="Count the results by sender, year, folder and attachment type.")
@click.option("--snippets", is_flag=True, help="Show the text around the matches.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def search(
    query: tuple[str, ...],
    user: str | None,
    sort: str,
    limit: int,
    page: str,
    facets: bool,
    snippets: bool,
    as_json: bool,
) -> None:
    """Find messages that contain all words of QUERY in headers, text, attachments or attachment names.

    Operators: "exact phrase", `one OR another`, `-without`, `invoi*`, `(…)`. Fields: subject: from: to: cc: body:
    attachment: filename: folder: archive: before: after: on: received: larger: smaller: has:attachment is:flagged
    is:unread type: messageid:. Dates: 2024, 2024-03, 2024-03-17, 17.03.2024, yesterday, last-month, 30d. Names that
    Gmail and Outlook use work as well. docs/reference/query-language.md describes the query language. Write `--` before
    a query that begins with `-`.
    """
    wanted = Search(" ".join(query), Sort(sort), limit, page, facets=facets, snippets=snippets)
    found = call_for_reading(_search, user, wanted)
    if as_json:
        print_json(found_shape(found))
        return
    if snippets:
        _print_with_snippets(found)
    elif found.hits:
        columns = [rigid("date"), Column("from"), Column("subject"), Column("folder"), right("size")]
        print_table(columns, [_row(hit) for hit in found.hits])
    if facets:
        _print_facets(found)
    _print_end(found)


def _row(hit: Hit) -> tuple[str, ...]:
    return local_minute(hit.date), hit.sender, hit.subject, _where(hit), size(hit.size)


async def _search(principal: Principal, resources: Resources, user: str | None, wanted: Search) -> Found:
    return await search_messages(principal.on_behalf_of(user), resources, wanted)


def _where(hit: Hit) -> str:
    first = folder_text(hit.places[0].folder)
    return first if len(hit.places) == 1 else f"{first} (+{len(hit.places) - 1})"


def _print_with_snippets(found: Found) -> None:
    out = console()
    for hit in found.hits:
        out.print(
            Text.assemble(
                (shown(hit.subject) or "(no subject)", "bold"), f"  {local_minute(hit.date)}  {size(hit.size)}"
            )
        )
        print_indented(Text(f"{shown(hit.sender)}  {shown(_where(hit))}"), out=out)
        if hit.snippet is not None:
            print_indented(_marked(hit.snippet, colours=out.is_terminal), out=out)
        out.print()


def _marked(snippet: Snippet, *, colours: bool) -> Text:
    """Return a snippet with its matches in colour, or between » and « without colours."""
    if colours:
        marked = Text()
        for text, is_match in snippet.pieces:
            marked.append(shown(text), style=_MATCH if is_match else None)
        return marked
    return Text("".join(f"»{shown(text)}«" if match else shown(text) for text, match in snippet.pieces))


def _print_facets(found: Found) -> None:
    for facet, values in found.facets.items():
        if values:
            click.echo()
            print_table([Column(facet.value), right("messages")], [(name, number(n)) for name, n in values.items()])
    click.echo()


def _print_end(found: Found) -> None:
    click.echo(f"{plural(found.total, 'message')} found")
    if found.following and len(found.hits) < found.total:
        click.echo(f"next page: --page {found.following}")
    warnings = list(found.notes)
    if found.lacking:
        least = "at least " if found.lacking >= MOST_COUNTED else ""
        warnings.append(f"{least}{plural(found.lacking, 'message')} not searchable yet: see `muniment index status`")
    if found.paused:
        warnings.append(f"indexing is paused: {found.paused}")
    print_warnings(warnings, out=console(sys.stderr))
