"""`muniment search`, `export` and `verify`: what the archive gives back."""

from __future__ import annotations

from pathlib import Path

import click

from muniment.cli.connect import with_database, with_doors
from muniment.cli.counting import counting
from muniment.cli.errors import warn
from muniment.cli.exit_codes import ExitCode
from muniment.cli.output import (
    Column,
    folder_text,
    local_minute,
    plural,
    print_json,
    print_table,
    right,
    rigid,
    shown,
    size,
    utc,
)
from muniment.search import Hit
from muniment.services.export_archive import ExportFormat, ExportReport, export_archive
from muniment.services.search_messages import search_messages
from muniment.services.verify_archive import VerifyReport, verify_archive


@click.command("search")
@click.argument("query", nargs=-1, required=True)
@click.option("--user", metavar="NAME", help="Search one user's archive only.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    default=50,
    show_default=True,
    help="How many, the newest first.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def search(query: tuple[str, ...], user: str | None, limit: int, as_json: bool) -> None:
    """Find messages with all words of QUERY in headers, text or attachments.

    "Quoted words" are found next to each other; `one OR another` and `-without` work as in web
    search engines (write `--` before a query that begins with `-`).
    """
    words = " ".join(query)
    hits = with_doors(lambda doors: search_messages(doors, words, user=user, limit=limit))
    if as_json:
        print_json([hit_shape(hit) for hit in hits])
        return
    if hits:
        columns = [rigid("date"), Column("from"), Column("subject"), Column("folder"), right("size")]
        print_table(columns, [_hit_row(hit) for hit in hits])
    more = f" (the newest {limit}; --limit shows more)" if len(hits) == limit else ""
    click.echo(f"{plural(len(hits), 'message')} found{more}")


@click.command("export")
@click.option("--user", required=True, metavar="NAME", help="Whose archive to export.")
@click.option("--folder", metavar="PATH", help="Only this folder and those below it, e.g. INBOX/Projects.")
@click.option("--former", is_flag=True, help="Messages also at places where they stood before they moved.")
@click.option(
    "--format",
    "kind",
    type=click.Choice([kind.value for kind in ExportFormat]),
    required=True,
    help="One file for each message, or one for each folder.",
)
@click.option(
    "--to",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="A new or empty directory.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def export(user: str, folder: str | None, former: bool, kind: str, directory: Path, as_json: bool) -> ExitCode:
    """Write messages to files, byte for byte as the mail server sent them.

    eml: DIR/FOLDER/UID.eml for each message; mbox: one file for each folder. DIR/manifest.json lists
    path, SHA-256, folder, flags and INTERNALDATE of every message.
    """
    with counting("exporting") as count:
        report = with_database(
            lambda database: export_archive(
                database,
                user,
                folder=folder,
                former=former,
                format=ExportFormat(kind),
                directory=directory,
                progress=count,
            )
        )
    for damage in report.damaged:
        warn(f"left out, damaged: {shown(damage)}")
    if as_json:
        print_json(export_shape(report, directory))
    else:
        what = f"{plural(report.messages, 'message')} in {plural(report.folders, 'folder')}, {size(report.bytes)}"
        click.echo(f"exported {what} to {directory}")
    return ExitCode.DAMAGED if report.damaged else ExitCode.OK


@click.command("verify")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(as_json: bool) -> ExitCode:
    """Read every archived message again, compare it with its SHA-256, and name what is damaged.

    Ends with exit code 4 when something is damaged.
    """
    with counting("verifying") as count:
        report = with_database(lambda database: verify_archive(database, count))
    if as_json:
        print_json(verify_shape(report))
    else:
        if report.damage:
            print_table(
                [Column("damaged"), Column("what is wrong")],
                [(damage.where, damage.detail) for damage in report.damage],
            )
        found = plural(len(report.damage), "damaged place") if report.damage else "nothing is damaged"
        click.echo(f"verified {plural(report.messages, 'message')}, {size(report.bytes)}: {found}")
    return ExitCode.DAMAGED if report.damage else ExitCode.OK


def hit_shape(hit: Hit) -> dict[str, object]:
    """`user`, `folder[]` (the mailbox's address, then the server's path), `uid`, `date` (of the header, may be null),
    `subject`, `sender`, `size` (bytes), `sha256` (hex).
    """  # noqa: D205 - the keys are one paragraph; docs/cli.md shows it
    return {
        "user": hit.user,
        "folder": list(hit.folder),
        "uid": hit.uid,
        "date": utc(hit.date),
        "subject": hit.subject,
        "sender": hit.sender,
        "size": hit.size,
        "sha256": hit.sha256.hex(),
    }


def export_shape(report: ExportReport, directory: Path) -> dict[str, object]:
    """`directory`, `folders`, `messages`, `bytes` (all exported), `damaged[]` (what was left out, and why)."""
    return {
        "directory": str(directory),
        "folders": report.folders,
        "messages": report.messages,
        "bytes": report.bytes,
        "damaged": report.damaged,
    }


def verify_shape(report: VerifyReport) -> dict[str, object]:
    """`messages`, `bytes` (both read), `damage[{where, sha256, detail}]`."""
    damage = [{"where": one.where, "sha256": one.sha256, "detail": one.detail} for one in report.damage]
    return {"messages": report.messages, "bytes": report.bytes, "damage": damage}


def _hit_row(hit: Hit) -> tuple[str, ...]:
    return local_minute(hit.date), hit.sender, hit.subject, folder_text(hit.folder), size(hit.size)
