"""`muniment status`: how the whole system stands."""

from __future__ import annotations

import click
from rich.text import Text

from muniment.cli.connect import with_resources
from muniment.cli.index import coverage_text, index_shape, index_warnings, store_text
from muniment.cli.output import (
    Column,
    duration,
    local_minute,
    local_time,
    number,
    plural,
    print_facts,
    print_json,
    print_table,
    print_warnings,
    right,
    rigid,
    size,
    utc,
)
from muniment.cli.server_view import print_servers, server_shape
from muniment.clock import utc_now
from muniment.db.status import Process
from muniment.services.operating.show_status import Status, show_status


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> None:
    """Show processes, mail servers, queue depths, the archive's size, the index and stale mailboxes."""
    found = with_resources(show_status)
    if as_json:
        print_json(status_shape(found))
        return
    _print_processes(found)
    if found.servers:
        print_servers(found.servers)
        click.echo()
    print_facts(_facts(found))
    _print_stale(found)
    print_warnings(_warnings(found))


def status_shape(found: Status) -> dict[str, object]:
    """`processes[{name, kind, host, pid, concurrency, started, seen, alive}]`, `queues{archive, index}` (tasks waiting;
    null when Redis does not answer), `servers[…]` (as `server list` shows them; null when Redis does not answer), `archive{messages, entries, bytes, quarantined}`,
    `stores[{id, name, state, created, messages, entries, bytes}]`, `index{…}` (as `index status` shows it),
    `stale{count, mailboxes[{user, mailbox, proven}]}` (the longest unproven ones).
    """  # noqa: D205 - the keys are one paragraph; docs/cli.md shows it
    totals = found.totals
    return {
        "processes": [_process_shape(process) for process in found.processes],
        "queues": found.queues,
        "servers": None if found.servers is None else [server_shape(server) for server in found.servers],
        "archive": {
            "messages": totals.messages,
            "entries": totals.entries,
            "bytes": totals.bytes,
            "quarantined": totals.quarantined,
        },
        "stores": [
            {
                "id": store.id,
                "name": store.name,
                "state": store.state,
                "created": utc(store.created),
                "messages": store.messages,
                "entries": store.entries,
                "bytes": store.bytes,
            }
            for store in found.stores
        ],
        "index": index_shape(found.index),
        "stale": {
            "count": found.stale_count,
            "mailboxes": [
                {"user": one.user_name, "mailbox": one.address, "proven": utc(one.proven)} for one in found.stale
            ],
        },
    }


def _process_shape(process: Process) -> dict[str, object]:
    return {
        "name": process.name,
        "kind": process.kind,
        "host": process.host,
        "pid": process.pid,
        "concurrency": process.concurrency,
        "started": utc(process.started),
        "seen": utc(process.seen),
        "alive": process.alive,
    }


def _print_processes(found: Status) -> None:
    columns = [Column("process"), rigid("kind"), rigid("state"), right("at once"), rigid("started"), right("last seen")]
    if found.processes:
        print_table(columns, [_process_row(process) for process in found.processes])
        click.echo()


def _process_row(process: Process) -> tuple[str | Text, ...]:
    state = Text("alive", style="green") if process.alive else Text("silent", style="bold red")
    seen = f"{duration(utc_now() - process.seen)} ago"
    at_once = number(process.concurrency)
    return process.name, process.kind, state, at_once, local_minute(process.started), seen


def _facts(found: Status) -> list[tuple[str, str]]:
    totals = found.totals
    queues = ", ".join(f"{name} {'?' if depth is None else number(depth)}" for name, depth in found.queues.items())
    return [
        ("queues", queues),
        (
            "archive",
            f"{plural(totals.messages, 'message')}, filed {plural(totals.entries, 'time')}, {size(totals.bytes)}",
        ),
        ("stores", ", ".join(f"{store.name} ({store.state}, {number(store.messages)})" for store in found.stores)),
        ("quarantine", plural(totals.quarantined, "message")),
        ("index", coverage_text(found.index)),
        *((f"  {store.name}", store_text(store)) for store in found.index.stores if len(found.index.stores) > 1),
        ("stale mailboxes", number(found.stale_count)),
    ]


def _print_stale(found: Status) -> None:
    if found.stale:
        click.echo()
        print_table(
            [Column("stale mailbox"), Column("user"), rigid("last proven complete")],
            [(one.address, one.user_name, local_time(one.proven) if one.proven else "never") for one in found.stale],
        )
    if found.stale_count > len(found.stale):
        click.echo(f"… and {number(found.stale_count - len(found.stale))} more")


def _warnings(found: Status) -> list[str]:
    """Say what an operator should look at."""
    alive = {process.kind for process in found.processes if process.alive}
    warnings = [f"no {kind} process reports" for kind in ("scheduler", "archive", "index") if kind not in alive]
    if None in found.queues.values():
        warnings.append("Redis does not answer: no new work is handed out")
    warnings += index_warnings(found.index)
    if found.totals.quarantined:
        warnings.append("messages are in quarantine: `muniment quarantine list`")
    return warnings
