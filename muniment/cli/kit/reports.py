"""Writes results to CSV files for spreadsheets and scripts."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from muniment.cli.kit.output import shown
from muniment.errors import Misconfigured

#: How a formula begins (OWASP, CSV Injection): also after blanks, and in full width, which Excel accepts.
_FORMULA = re.compile(r"\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
#: The same behind a semicolon, at which spreadsheets of many countries begin another cell.
_CELL = re.compile(r"(;[\s\"'\ufffd]*)([=+\-@\uff1d\uff0b\uff0d\uff20])")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")


def _harmless(value: object) -> object:
    """Return a value that no spreadsheet evaluates: an apostrophe before what begins like a formula.

    Names and errors come from mail servers. Control characters are shown as U+FFFD, as in tables: a terminal would
    obey them, and a line break would make another row.
    """
    if not isinstance(value, str):
        return value
    text = _CELL.sub(r"\1'\2", shown(value))
    begins = _FORMULA.match(value) and not _NUMBER.fullmatch(value)
    return f"'{text}" if begins else text


def write_report(file: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a header line and rows in UTF-8; Misconfigured if the file cannot be written."""
    try:
        with file.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(columns)
            writer.writerows([_harmless(value) for value in row] for row in rows)
    except OSError as error:
        raise Misconfigured(f"cannot write {file}: {error.strerror}") from error
