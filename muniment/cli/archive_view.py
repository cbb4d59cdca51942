"""Prints what archives hold: one line for each mailbox or folder, and a summary."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click

from muniment.cli.kit.output import (
    Column,
    folder_text,
    local_minute,
    number,
    plural,
    print_table,
    print_warnings,
    right,
    rigid,
)
from muniment.model.proof import ArchivedFolder, ArchivedMailbox
from muniment.services.reading.show_archive import ArchiveView

_NUMBERS = [right("messages"), rigid("oldest"), rigid("newest"), right("on server"), right("missing")]
_PROOF = [rigid("compared"), rigid("unchanged until")]


def print_mailboxes(found: ArchiveView) -> None:
    """Print a line for each mailbox."""
    if not found.mailboxes:
        click.echo("nothing is archived yet")
        return
    columns = [Column("mailbox"), Column("user"), right("folders"), *_NUMBERS, *_PROOF]
    print_table(columns, [_mailbox(one) for one in found.mailboxes])
    if found.count > len(found.mailboxes):
        rest = plural(found.count - len(found.mailboxes), "more mailbox")
        click.echo(f"… and {rest}; --limit or --json lists more, --user NAME the folders of one user")


def print_folders(found: ArchiveView, limit: int) -> None:
    """Print a line for each of the first `limit` folders, then a summary for each mailbox."""
    if found.folders:
        print_table([Column("folder"), *_NUMBERS, *_PROOF], [_folder(one) for one in found.folders[:limit]])
        if len(found.folders) > limit:
            click.echo(f"… and {plural(len(found.folders) - limit, 'more folder')}; --limit or --json lists more")
        click.echo()
    for mailbox in found.mailboxes:
        click.echo(_summary(mailbox))
    if not found.mailboxes:
        click.echo("nothing is archived yet")
    print_warnings(_warnings(found.folders))


def _mailbox(one: ArchivedMailbox) -> tuple[str, ...]:
    until = one.visited if one.proven and one.visited and one.visited > one.proven else None
    return one.address, one.user_name, number(one.folders), *_numbers(one), *_proof(one.proven, until)


def _folder(one: ArchivedFolder) -> tuple[str, ...]:
    return folder_text((one.address, *one.path)), *_numbers(one), *_proof(one.proven, one.unmoved)


def _numbers(one: ArchivedMailbox | ArchivedFolder) -> tuple[str, ...]:
    is_there = not isinstance(one, ArchivedFolder) or one.vanished is None
    server = (number(one.on_server), number(one.missing)) if is_there and _was_compared(one) else ("-", "-")
    return number(one.messages), _day(one.oldest), _day(one.newest), *server


def _was_compared(one: ArchivedMailbox | ArchivedFolder) -> bool:
    return one.proven is not None or bool(one.on_server)


def _proof(compared: datetime | None, until: datetime | None) -> tuple[str, str]:
    return (local_minute(compared) if compared else "never"), (local_minute(until) if until else "-")


def _day(time: datetime | None) -> str:
    return time.astimezone().strftime("%Y-%m-%d") if time else "-"


def _summary(one: ArchivedMailbox) -> str:
    archived = f"{one.address}: {plural(one.messages, 'message')} in {plural(one.folders, 'folder')}"
    if one.gone:
        archived += f", {number(one.gone)} of them no longer on the server"
    if not _was_compared(one):
        return f"{archived}; never compared with a server"
    proven = one.on_server - one.filtered - one.missing
    told = f"{archived}; {number(one.on_server)} on the server, {number(proven)} proven"
    told += f", {number(one.filtered)} left out by the filter" if one.filtered else ""
    told += f", {number(one.missing)} missing" if one.missing else ""
    return f"{told}; " + (f"compared at {local_minute(one.proven)} or later" if one.proven else "never proven complete")


def _warnings(folders: Sequence[ArchivedFolder]) -> list[str]:
    texts = []
    for one in folders:
        path = folder_text((one.address, *one.path))
        if one.refusal:
            texts.append(f"{path}: the server did not open it: {one.refusal}")
        if one.quarantined:
            texts.append(f"{path}: {plural(one.quarantined, 'message')} in quarantine: see `muniment quarantine list`")
        if one.vanished:
            texts.append(f"{path}: the server has not listed it since {local_minute(one.vanished)}")
    return texts
