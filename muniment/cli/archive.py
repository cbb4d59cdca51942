"""`muniment archive`, `muniment export` and `muniment verify`: what is archived."""

from __future__ import annotations

from pathlib import Path

import click

from muniment.cli.archive_view import print_folders, print_mailboxes
from muniment.cli.kit.connect import call_with_database_only
from muniment.cli.kit.counting import counting
from muniment.cli.kit.errors import warn
from muniment.cli.kit.exit_codes import ExitCode
from muniment.cli.kit.output import Column, plural, print_json, print_table, shown, size
from muniment.services.reading.export_archive import ExportFormat, export_archive
from muniment.services.reading.show_archive import list_archives, show_archive
from muniment.services.reading.verify_archive import verify_archive
from muniment.shapes.archives import archive_shape, export_shape, verify_shape

_SHOWN = 200


@click.group()
def archive() -> None:
    """Show what is archived, and how long ago that was compared with the server."""


@archive.command("show")
@click.option("--user", metavar="NAME", help="List the folders of this user's archive.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=_SHOWN, show_default=True, help="Print at most this many lines."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON; lists everything.")
def show(user: str | None, limit: int, as_json: bool) -> None:
    """Show how many messages are archived, of which time, and whether they are all that the server has.

    Without --user, each mailbox has a line; with --user, each folder. "compared" is the last time when the UIDs on the
    server were compared with those in the archive. "unchanged until" is the last time when the server reported the same
    numbers (STATUS) as at that comparison, so that the folder was not opened.
    """
    if user is None:
        found = call_with_database_only(list_archives, None if as_json else limit)
    else:
        found = call_with_database_only(show_archive, user)
    if as_json:
        print_json(archive_shape(found))
    elif user is None:
        print_mailboxes(found)
    else:
        print_folders(found, limit)


@click.command("export")
@click.option("--user", required=True, metavar="NAME", help="User whose archive to export.")
@click.option("--folder", metavar="PATH", help="Only this folder and its subfolders, e.g. INBOX/Projects.")
@click.option("--former", is_flag=True, help="Also export messages in folders that they were moved out of.")
@click.option(
    "--format",
    "kind",
    type=click.Choice([kind.value for kind in ExportFormat]),
    required=True,
    help="eml: one file per message. mbox: one file per folder.",
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
    """Export messages to files, byte for byte as the mail server sent them.

    With eml, each message becomes DIRECTORY/FOLDER/UID.eml; with mbox, each folder becomes one file.
    DIRECTORY/manifest.json lists the path, SHA-256, folder, flags and INTERNALDATE of every message.
    """
    with counting("exporting") as count:
        report = call_with_database_only(
            export_archive,
            user,
            folder=folder,
            former=former,
            format=ExportFormat(kind),
            directory=directory,
            progress=count,
        )
    for damage in report.damaged:
        warn(f"damaged, not exported: {shown(damage)}")
    if as_json:
        print_json(export_shape(report, directory))
    else:
        what = f"{plural(report.messages, 'message')} in {plural(report.folders, 'folder')}, {size(report.bytes)}"
        click.echo(f"exported {what} to {directory}")
    return ExitCode.DAMAGED if report.damaged else ExitCode.OK


@click.command("verify")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def verify(as_json: bool) -> ExitCode:
    """Read every archived message, compare it with its SHA-256, and list what is damaged.

    The exit code is 4 if anything is damaged.
    """
    with counting("verifying") as count:
        report = call_with_database_only(verify_archive, count)
    if as_json:
        print_json(verify_shape(report))
    else:
        if report.damage:
            print_table(
                [Column("damaged"), Column("problem")],
                [(damage.where, damage.detail) for damage in report.damage],
            )
        result = plural(len(report.damage), "damaged item") if report.damage else "no damage found"
        click.echo(f"verified {plural(report.messages, 'message')}, {size(report.bytes)}: {result}")
    return ExitCode.DAMAGED if report.damage else ExitCode.OK
