"""`muniment status`: the state of the whole system."""

from __future__ import annotations

import click
from rich.text import Text

from muniment.cli.index_view import coverage_text, index_warnings, store_text
from muniment.cli.kit.connect import call_for_watching
from muniment.cli.kit.output import (
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
)
from muniment.cli.kit.proofs import proofs_text
from muniment.cli.server_view import print_servers
from muniment.clock import utc_now
from muniment.model.process_report import ProcessReport
from muniment.model.proof import MailboxProof
from muniment.services.operating.show_status import Status, show_status
from muniment.shapes.status import status_shape


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> None:
    """Show processes, mail servers, queue lengths, the archive's size, the index and stale mailboxes."""
    found = call_for_watching(show_status)
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


def _print_processes(found: Status) -> None:
    columns = [Column("process"), rigid("kind"), rigid("state"), right("concurrency"), rigid("started")]
    columns.append(right("last seen"))
    if found.processes:
        print_table(columns, [_process_row(process) for process in found.processes])
        click.echo()


def _process_row(process: ProcessReport) -> tuple[str | Text, ...]:
    state = Text("alive", style="green") if process.alive else Text("silent", style="bold red")
    seen = f"{duration(utc_now() - process.seen)} ago"
    concurrency = number(process.concurrency)
    return process.name, process.kind, state, concurrency, local_minute(process.started), seen


def _facts(found: Status) -> list[tuple[str, str]]:
    totals = found.totals
    accepted = f", and {number(totals.accepted)} accepted as missing" if totals.accepted else ""
    queues = ", ".join(f"{name} {'?' if depth is None else number(depth)}" for name, depth in found.queues.items())
    return [
        ("queues", queues),
        (
            "archive",
            f"{plural(totals.messages, 'message')} in {plural(totals.entries, 'place')}, {size(totals.bytes)}",
        ),
        ("stores", ", ".join(f"{store.name} ({store.state}, {number(store.messages)})" for store in found.stores)),
        ("quarantine", plural(totals.quarantined, "message") + accepted),
        ("index", coverage_text(found.index)),
        *((f"  {store.name}", store_text(store)) for store in found.index.stores if len(found.index.stores) > 1),
        ("incomplete mailboxes", number(totals.incomplete)),
        ("proofs", proofs_text(found.proofs)),
        ("stale mailboxes", number(found.stale_count)),
    ]


def _print_stale(found: Status) -> None:
    if found.stale:
        click.echo()
        print_table(
            [Column("stale mailbox"), Column("user"), rigid("UIDs last compared"), rigid("unchanged by STATUS until")],
            [_stale_row(one) for one in found.stale],
        )
    if found.stale_count > len(found.stale):
        click.echo(f"… and {number(found.stale_count - len(found.stale))} more")


def _stale_row(one: MailboxProof) -> tuple[str, ...]:
    compared = local_time(one.proven) if one.proven else "never"
    by_status = one.proven is not None and one.visited is not None and one.visited > one.proven
    return one.address, one.user_name, compared, local_time(one.visited) if by_status else "-"


def _warnings(found: Status) -> list[str]:
    """Return warnings about what needs an operator's attention."""
    alive = {process.kind for process in found.processes if process.alive}
    warnings = [f"no {kind} process is running" for kind in ("scheduler", "archive", "index") if kind not in alive]
    if None in found.queues.values():
        warnings.append("Redis does not respond: no new work is distributed")
    warnings += index_warnings(found.index)
    if found.totals.quarantined:
        warnings.append("messages are in quarantine: see `muniment quarantine list`")
    if found.totals.incomplete:
        warnings.append(
            f"{plural(found.totals.incomplete, 'mailbox')} lacked messages when last compared with the server: "
            "`muniment run show ID` says which"
        )
    warnings += [f"{problem}: see docs/how-to/separate-database-roles.md" for problem in found.separation.problems]
    warnings += found.unprotected_links
    if found.unbound_passwords:
        passwords = plural(found.unbound_passwords, "password")
        warnings.append(f"{passwords} of an older version not bound to a server yet: run `muniment key bind`")
    return warnings
