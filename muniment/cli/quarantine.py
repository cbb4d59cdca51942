"""`muniment quarantine`: messages that are missing in the archive."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from muniment.cli.kit.connect import call_with_database_only
from muniment.cli.kit.names import LIMIT, Address, Id, IdCommand
from muniment.cli.kit.output import (
    Column,
    folder_text,
    local_minute,
    local_time,
    number,
    plural,
    print_facts,
    print_json,
    print_table,
    right,
    rigid,
    size,
)
from muniment.errors import Misconfigured, MunimentError
from muniment.model.quarantined import QuarantineChoice
from muniment.services.operating.show_status import list_quarantine
from muniment.services.operating.tend_quarantine import (
    Tended,
    accept_quarantined,
    export_quarantined,
    retry_quarantined,
    show_quarantined,
)
from muniment.shapes.messages import quarantined_shape

if TYPE_CHECKING:
    from muniment.model.quarantined import Quarantined

_ID = Id("message in quarantine with the number", "`muniment quarantine list` shows the numbers.")
_STDOUT = "-"


@click.group()
def quarantine() -> None:
    """Messages that are missing in the archive: the server did not deliver them, or something else in their place.

    Every run of their profile tries them again; those in place of which something else was delivered, once a day.
    """


def _choosing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what chooses messages."""
    for add in (
        click.option("--all", "everything", is_flag=True, help="All messages in quarantine."),
        click.option("--substitutes", is_flag=True, help="Only where the server delivered something in their place."),
        click.option("--mailbox", type=Address(), help="Only messages of this mailbox."),
        click.argument("ids", metavar="[ID]...", type=_ID, nargs=-1),
    ):
        command = add(command)
    return command


@quarantine.command("list")
@click.option(
    "--limit",
    type=LIMIT,
    metavar="N",
    default=100,
    show_default=True,
    help="Show the oldest N messages.",
)
@click.option("--mailbox", type=Address(), help="Only messages of this mailbox.")
@click.option("--substitutes", is_flag=True, help="Only where the server delivered something in their place.")
@click.option("--accepted", is_flag=True, help="Show instead the messages that are accepted as missing.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(limit: int, mailbox: str | None, substitutes: bool, accepted: bool, as_json: bool) -> None:
    """List quarantined messages with the reason for each."""
    choice = QuarantineChoice((), mailbox, substitutes)
    found = call_with_database_only(list_quarantine, limit, choice=choice, accepted=accepted)
    if as_json:
        print_json([quarantined_shape(message) for message in found])
    elif found:
        last = Column("accepted because") if accepted else rigid("last tried")
        columns = [right("ID"), Column("folder"), right("UID"), Column("reason"), right("tries"), last]
        print_table(columns, [_row(message) for message in found])
        click.echo(f"{plural(len(found), 'message')}{'; use --limit to show more' if len(found) == limit else ''}")
    else:
        click.echo("no messages are accepted as missing" if accepted else "no messages in quarantine")


def _row(message: Quarantined) -> tuple[str, ...]:
    path = folder_text([message.address, *message.path])
    last = message.acceptance or "" if message.accepted else local_minute(message.last_tried)
    return str(message.id), path, str(message.uid), message.reason, number(message.attempts), last


@quarantine.command("show", cls=IdCommand)
@click.argument("id_", metavar="ID", type=_ID)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(id_: int, as_json: bool) -> None:
    """Show the message ID: why it is missing, since when, and what arrived."""
    found = call_with_database_only(show_quarantined, id_)
    if as_json:
        print_json(quarantined_shape(found))
        return
    facts = [
        ("ID", str(found.id)),
        ("user", found.user_name),
        ("folder", folder_text([found.address, *found.path])),
        ("UID", str(found.uid)),
        ("reason", found.reason),
        ("first seen", local_time(found.first_seen)),
        ("last tried", f"{local_time(found.last_tried)}, {plural(found.attempts, 'time')} in all"),
        ("next try", _next_try(found)),
        ("bytes", "none arrived" if found.size is None else f"{size(found.size)}: `muniment quarantine export {id_}`"),
    ]
    if found.sha256 is not None:
        facts.append(("archived as", found.sha256.hex()))
    if found.accepted is not None:
        facts.append(("accepted", f"{local_time(found.accepted)} by {found.accepted_by}: {found.acceptance}"))
    print_facts(facts)


def _next_try(found: Quarantined) -> str:
    if found.retry:
        return "the next run, as asked"
    if found.accepted is not None:
        return "never, because it is accepted as missing"
    return "a run after a day" if found.substitute else "the next run"


@quarantine.command("retry", cls=IdCommand)
@_choosing
def retry(ids: tuple[int, ...], mailbox: str | None, substitutes: bool, everything: bool) -> None:
    """Have the next run of their profile fetch messages again, even if they were accepted as missing.

    Name messages by ID, or choose them with options.
    """
    choice = _choice(ids, mailbox, substitutes=substitutes, everything=everything)
    done = call_with_database_only(retry_quarantined, choice)
    click.echo(f"to be tried again: {plural(len(done.messages), 'message')}")
    _say_when(done, "tries them")


@quarantine.command("accept", cls=IdCommand)
@_choosing
@click.option("--reason", required=True, metavar="TEXT", help="Why it is in order that the messages are missing.")
def accept(ids: tuple[int, ...], mailbox: str | None, substitutes: bool, everything: bool, reason: str) -> None:
    """Accept that messages are missing: they no longer keep their mailboxes incomplete and stale.

    They are not tried again, unless `quarantine retry` asks for it. What arrived of them is kept. The audit log records
    who accepted them, and the reason. Name messages by ID, or choose them with options.
    """
    choice = _choice(ids, mailbox, substitutes=substitutes, everything=everything)
    done = call_with_database_only(accept_quarantined, choice, reason)
    click.echo(f"accepted as missing: {plural(len(done.messages), 'message')}")
    _say_when(done, "proves their mailboxes, if nothing else is missing")


def _choice(ids: tuple[int, ...], mailbox: str | None, *, substitutes: bool, everything: bool) -> QuarantineChoice:
    options = mailbox is not None or substitutes or everything
    if bool(ids) == options:
        raise click.UsageError("Name messages by ID, or choose them with --mailbox, --substitutes or --all.")
    return QuarantineChoice(ids, mailbox, substitutes)


def _say_when(done: Tended, what: str) -> None:
    for name in done.profiles:
        click.echo(f"the next run of profile {name} {what}: `muniment profile run {name} --wait` starts one")


@quarantine.command("export", cls=IdCommand)
@click.argument("id_", metavar="ID", type=_ID)
@click.option(
    "--output", metavar="FILE", required=True, help="File to write, which must not exist; - is standard output."
)
def export(id_: int, output: str) -> None:
    """Write the bytes that arrived for the message ID, or what the server delivered in its place."""
    if output == _STDOUT:
        call_with_database_only(export_quarantined, id_, sys.stdout.buffer.write)
        return
    call_with_database_only(show_quarantined, id_)  # an ID that does not exist leaves no file behind
    path = Path(output)
    try:
        with path.open("xb") as file:
            found = call_with_database_only(export_quarantined, id_, file.write)
    except FileExistsError:
        raise Misconfigured(f"{path} exists already", hint="Name a new file; nothing is overwritten.") from None
    except MunimentError:
        path.unlink()
        raise
    except OSError as error:
        raise Misconfigured(f"cannot write {path}: {error.strerror}") from error
    click.echo(f"wrote {size(path.stat().st_size)} of {found.place} to {path}")
