"""Formats the findings of the connection test for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from muniment.cli.kit.output import Column, print_table, rigid
from muniment.model.finding import Finding, Verdict

_COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "bold red"}


def print_findings(findings: Sequence[Finding]) -> None:
    """Print a table with one row per step."""
    columns = [Column("step"), rigid("result"), Column("details"), Column("what to do")]
    print_table(columns, [_row(finding) for finding in findings])


def _row(finding: Finding) -> tuple[str | Text, ...]:
    verdict = Text(finding.verdict.value, style=_COLOURS[finding.verdict])
    return finding.step, verdict, finding.found, finding.advice
