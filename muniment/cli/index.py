"""`muniment index`: the state of the search index, and commands to repair and rebuild it."""

from __future__ import annotations

import asyncio
import sys

import click
from rich.progress import BarColumn, Progress, TextColumn

from muniment.cli.index_view import coverage_text, index_warnings
from muniment.cli.kit.connect import call
from muniment.cli.kit.output import (
    Column,
    console,
    duration,
    local_minute,
    number,
    plural,
    print_facts,
    print_json,
    print_table,
    print_warnings,
    right,
    rigid,
)
from muniment.model.index_problem import IndexProblem
from muniment.services.access.principal import Principal
from muniment.services.indexing.rebuild_index import begin_rebuilds, give_up_rebuilds
from muniment.services.indexing.reconcile_index import compare_indexes
from muniment.services.indexing.show_index import (
    IndexStatus,
    Rebuild,
    StoreIndex,
    list_problems,
    retry_problems,
    show_index,
)
from muniment.services.resources import Resources
from muniment.shapes.index import comparison_shape, index_shape, problem_shape

_POLL_SECONDS = 0.5
_LINE_SECONDS = 10.0

_store = click.option("--store", metavar="NAME", help="Only this archive store; `muniment status` lists them.")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("index")
def index() -> None:
    """Inspect, compare and rebuild the search index."""


@index.command("status")
@_json
def status(as_json: bool) -> None:
    """Show how much of each archive store is indexed.

    For each store, the table shows how many messages are archived, indexed, waiting for the index and refused by it. A
    second table lists the most frequent reasons for problems.
    """
    found = call(show_index)
    if as_json:
        print_json(index_shape(found))
        return
    columns = [Column("store"), rigid("state")]
    columns += [right(name) for name in ("messages", "indexed", "waiting", "refused", "partly")]
    print_table([*columns, rigid("compared")], [_row(store) for store in found.stores])
    click.echo()
    print_facts([("index", found.backend), ("coverage", coverage_text(found))])
    for store in found.stores:
        if store.rebuild is not None:
            click.echo(f"{store.name} is being rebuilt: {_progress(store.rebuild)}")
    _print_reasons(found)
    print_warnings(index_warnings(found))


@index.command("rebuild")
@_store
@click.option("--no-wait", is_flag=True, help="Start the rebuild and return; the index workers continue.")
@click.option("--abandon", is_flag=True, help="Stop a rebuild in progress and keep the current index.")
def rebuild(store: str | None, no_wait: bool, abandon: bool) -> None:
    """Rebuild the index of one store or of all stores.

    The new index is built next to the current one and replaces it when it is complete; archiving and searching continue
    meanwhile. The index workers do the work and resume it after a restart. Ctrl-C ends only the progress display.
    """
    if abandon:
        stopped = call(give_up_rebuilds, store)
        click.echo(f"stopped: {', '.join(stopped)}" if stopped else "no rebuild in progress")
        return
    for begun in call(begin_rebuilds, store):
        click.echo(f"{begun.store}: {'a rebuild is already in progress' if begun.already else 'rebuild started'}")
    if not no_wait:
        call(_follow, store)
        click.echo("done")


@index.command("compare")
@_store
@_json
def compare(store: str | None, as_json: bool) -> None:
    """Compare the index with the archive and repair differences.

    The comparison covers the ids of all messages, in both directions. The scheduler also does this regularly (every
    MUNIMENT_RECONCILE_HOURS, by default once a day).
    """
    found = call(compare_indexes, store)
    if as_json:
        print_json([comparison_shape(*one) for one in found])
        return
    rows = [(name, number(missing), number(orphans)) for name, missing, orphans in found]
    print_table([Column("store"), right("missing in the index"), right("only in the index")], rows)
    if any(missing or orphans for _, missing, orphans in found):
        click.echo("the index workers repair the differences")


@index.command("problems")
@_store
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", default=50, show_default=True, help="Show at most N messages."
)
@_json
def problems(store: str | None, limit: int, as_json: bool) -> None:
    """List messages that are not or only partly indexed, or of which something was guessed, with reasons."""
    found = call(list_problems, store, limit)
    if as_json:
        print_json([problem_shape(problem) for problem in found])
    elif found:
        columns = [rigid("date"), Column("subject"), rigid("indexed"), Column("reasons"), rigid("SHA-256")]
        print_table(columns, [_problem_row(problem) for problem in found])
    else:
        click.echo("no problems; all messages processed so far are completely indexed")


@index.command("retry")
@_store
def retry(store: str | None) -> None:
    """Index messages with problems again. Use this after you fixed the cause."""
    count = call(retry_problems, store)
    click.echo(f"{plural(count, 'message')} queued for indexing")


def _row(store: StoreIndex) -> tuple[str, ...]:
    counts = (store.messages, store.indexed, store.outbox, store.failed, store.partly)
    healed = store.missing + store.orphans
    compared = local_minute(store.reconciled) if store.reconciled else "not yet"
    texts = ["?" if count is None else number(count) for count in counts]
    return (store.name, store.state, *texts, f"{compared}, {number(healed)} repaired" if healed else compared)


def _print_reasons(found: IndexStatus) -> None:
    if found.reasons:
        click.echo()
        rows = [("partly" if one.indexed else "refused", one.reason, number(one.messages)) for one in found.reasons]
        print_table([rigid("indexed"), Column("reason"), right("messages")], rows)


def _progress(rebuild: Rebuild) -> str:
    share = f"{rebuild.done / rebuild.total:.0%}" if rebuild.total else "0%"
    left = f", about {duration(rebuild.remaining)} left" if rebuild.remaining is not None else ""
    return f"{number(rebuild.done)} of {plural(rebuild.total, 'message')} ({share}){left}"


def _problem_row(problem: IndexProblem) -> tuple[str, ...]:
    how = "partly" if problem.indexed else "no"
    return local_minute(problem.date), problem.subject, how, "; ".join(problem.reasons), problem.sha256.hex()[:16] + "…"


async def _follow(principal: Principal, resources: Resources, store: str | None) -> None:
    """Show the progress of rebuilds until none is in progress."""
    out = console(sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"))
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as progress:
        tasks: dict[str, int] = {}
        waited = 0.0
        while True:
            found = await show_index(principal, resources)
            under_way = {
                one.name: one.rebuild
                for one in found.stores
                if one.rebuild is not None and (store is None or one.name == store)
            }
            if not under_way:
                return
            for name, step in under_way.items():
                if name not in tasks:
                    tasks[name] = progress.add_task(name, total=None, text="")
                progress.update(tasks[name], total=step.total, completed=step.done, text=_progress(step))  # type: ignore[arg-type]
            if not out.is_terminal and waited % _LINE_SECONDS == 0:
                for name, step in under_way.items():
                    click.echo(f"{name}: {_progress(step)}", err=True)
                for warning in index_warnings(found):
                    click.echo(f"warning: {warning}", err=True)
            waited += _POLL_SECONDS
            await asyncio.sleep(_POLL_SECONDS)
