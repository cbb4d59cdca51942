"""Users, exports and verifications of archives."""

from __future__ import annotations

from pathlib import Path

from muniment.model.user import User
from muniment.services.reading.export_archive import ExportReport
from muniment.services.reading.verify_archive import VerifyReport


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


def user_shape(found: User) -> dict[str, object]:
    """`id`, `name`, `addresses[]` (the primary one first), `privileges[]` (new users may log in), `own_archive[]` (what
    they may do there: read).
    """
    return {
        "id": found.id,
        "name": found.name,
        "addresses": found.addresses,
        "privileges": found.privileges,
        "own_archive": found.own_archive,
    }
