"""JSON of archives, exports and verifications."""

from __future__ import annotations

from pathlib import Path

from muniment.model.proof import ArchivedFolder, ArchivedMailbox
from muniment.services.reading.export_archive import ExportReport
from muniment.services.reading.show_archive import ArchiveView
from muniment.services.reading.verify_archive import VerifyReport
from muniment.shapes.values import utc


def archive_shape(found: ArchiveView) -> dict[str, object]:
    """`mailboxes[{user, mailbox, folders, messages, gone, oldest, newest, on_server, filtered, missing, proven,
    visited}]`, `folders[{folder[], messages, gone, oldest, newest, on_server, filtered, missing, quarantined, proven,
    unchanged_since, unchanged_until, vanished, refusal, distributed}]` (only with --user). Messages: archived there;
    gone: how many of them left the server; oldest, newest: when they were received. By the last comparison of UIDs,
    the server listed `on_server` messages; the profile's filter left out `filtered`, and the archive lacked `missing`.
    Proven: when UIDs were last compared (of a mailbox: of the folder where that is longest ago), or null; visited: the
    last run that compared every folder or saw its STATUS unchanged; unchanged_since, unchanged_until: STATUS has been
    the same from that comparison until a run last asked, or null; vanished: since when the server does not list the
    folder, or null; refusal: why the server does not open it; distributed: it holds mail of a collecting mailbox.
    """
    return {"mailboxes": [_mailbox(one) for one in found.mailboxes], "folders": [_folder(one) for one in found.folders]}


def _mailbox(one: ArchivedMailbox) -> dict[str, object]:
    return {
        "user": one.user_name,
        "mailbox": one.address,
        "folders": one.folders,
        **_counts(one),
        "proven": utc(one.proven),
        "visited": utc(one.visited),
    }


def _folder(one: ArchivedFolder) -> dict[str, object]:
    return {
        "folder": [one.address, *one.path],
        **_counts(one),
        "quarantined": one.quarantined,
        "proven": utc(one.proven),
        "unchanged_since": utc(one.proven) if one.unmoved is not None else None,
        "unchanged_until": utc(one.unmoved),
        "vanished": utc(one.vanished),
        "refusal": one.refusal,
        "distributed": one.distributed,
    }


def _counts(one: ArchivedMailbox | ArchivedFolder) -> dict[str, object]:
    return {
        "messages": one.messages,
        "gone": one.gone,
        "oldest": utc(one.oldest),
        "newest": utc(one.newest),
        "on_server": one.on_server,
        "filtered": one.filtered,
        "missing": one.missing,
    }


def export_shape(report: ExportReport, directory: Path) -> dict[str, object]:
    """`directory`, `folders`, `messages`, `bytes` (totals of the export), `damaged[]` (messages that were not exported,
    with the reason).
    """
    return {
        "directory": str(directory),
        "folders": report.folders,
        "messages": report.messages,
        "bytes": report.bytes,
        "damaged": report.damaged,
    }


def verify_shape(report: VerifyReport) -> dict[str, object]:
    """`messages`, `bytes` (number verified), `damage[{where, sha256, detail}]`."""
    damage = [{"where": item.where, "sha256": item.sha256, "detail": item.detail} for item in report.damage]
    return {"messages": report.messages, "bytes": report.bytes, "damage": damage}
