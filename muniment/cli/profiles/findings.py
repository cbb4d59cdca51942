"""What the connection doctor found, as people and programs see it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from muniment.cli.kit.output import Column, print_table, rigid
from muniment.model.finding import Finding, Verdict

_COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "bold red"}


def print_findings(findings: Sequence[Finding]) -> None:
    """Print a table with a row for each step."""
    columns = [Column("step"), rigid("result"), Column("found"), Column("what to do")]
    rows = [(one.step, Text(one.verdict.value, style=_COLOURS[one.verdict]), one.found, one.advice) for one in findings]
    print_table(columns, rows)
