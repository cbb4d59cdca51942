"""Writes results to CSV files for spreadsheets and scripts."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from muniment.errors import Misconfigured


def write_report(file: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a header line and rows in UTF-8; Misconfigured if the file cannot be written."""
    try:
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(columns)
            writer.writerows(rows)
    except OSError as error:
        raise Misconfigured(f"cannot write {file}: {error.strerror}") from error
