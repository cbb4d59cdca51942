"""Writes docs/reference/settings.md from muniment/settings.py: `python -m tools.settings_doc`."""

from __future__ import annotations

from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from muniment.settings import Settings, file_variable, variable

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "settings.md"

_HEAD = """\
# Settings

*Generated from muniment/settings.py by `python -m tools.settings_doc`. A test compares this page with the code.*

Each process reads its settings from environment variables once, when it starts. All of them begin with `MUNIMENT_`. An
unknown `MUNIMENT_` variable stops the process, so that a typing error cannot go unnoticed. An empty variable counts as
unset. Flags take `true` or `false`.

A *secret* setting can come from a file instead, as Docker, Kubernetes and systemd provide it: the variable with the
suffix `_FILE` names a UTF-8 file that holds the value. Surrounding white space is ignored. Set one of the two, not
both.

| variable | default | meaning |
|---|---|---|
"""


def render() -> str:
    """Return the whole page."""
    return _HEAD + "".join(map(_row, fields(Settings)))


def _row(setting: Field[Any]) -> str:
    secret = f" Secret; or `{name}`." if (name := file_variable(setting)) else ""
    return f"| `{variable(setting)}` | {_default(setting)} | {setting.metadata['doc']}{secret} |\n"


def _default(setting: Field[Any]) -> str:
    if setting.name == "data":
        return "the user's data folder"  # it depends on the machine
    match setting.default:
        case None:
            return ""
        case bool(flag):
            text = str(flag).lower()
        case float(number):
            text = f"{number:g}"
        case frozenset(words):
            text = " ".join(sorted(words))
        case int(number) if setting.name.endswith("_bytes"):
            return f"`{number}` ({number // 2**20} MiB)"
        case value:
            text = str(value)
    return f"`{text}`"


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
