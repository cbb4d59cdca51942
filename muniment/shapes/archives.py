"""JSON of exports and verifications."""

from __future__ import annotations

from pathlib import Path

from muniment.services.reading.export_archive import ExportReport
from muniment.services.reading.verify_archive import VerifyReport


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
