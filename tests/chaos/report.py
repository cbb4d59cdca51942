"""The results of a storm, for people and for programs."""

from __future__ import annotations

import json
from pathlib import Path

from tests.chaos.storm import Toll


def table(toll: Toll) -> str:
    """Return the table of faults and its totals."""
    rows = [*sorted(toll.faults.items()), *((name, f"not here: {why}") for name, why in sorted(toll.skipped.items()))]
    width = max((len(name) for name, _ in rows), default=0)
    lines = [f"{name:<{width}}  {count}" for name, count in rows]
    return "\n".join(
        [
            *lines,
            f"{toll.faults.total()} faults ({toll.at_rest} while nothing moved,"
            f" {toll.broken_lines} connections broken);"
            f" {toll.rounds} rounds, {toll.runs} runs, {toll.messages} messages archived exactly"
            f" in {toll.seconds:.0f} s; seed {toll.seed}",
        ]
    )


def save(toll: Toll, folder: Path) -> Path:
    """Write the toll as JSON and return the path of the file."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"chaos-{toll.seed}.json"
    file.write_text(json.dumps(vars(toll), indent=2))
    return file
