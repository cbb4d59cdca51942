"""Writes docs/settings.md from muniment/settings.py: `python -m tools.settings_doc`."""

from __future__ import annotations

from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from muniment.settings import Settings, file_variable, variable

PAGE = Path(__file__).resolve().parent.parent / "docs" / "settings.md"

_HEAD = """\
# Settings

*Generated from muniment/settings.py by `python -m tools.settings_doc`; a test compares.*

Muniment reads its settings once, when a process starts, from environment variables. All of them
begin with `MUNIMENT_`; an unknown one stops the process, so a typing mistake cannot go unnoticed.
An empty variable counts as not set. Flags take `true` or `false`.

A setting marked *secret* may be given as a file instead, for Docker, Kubernetes or systemd: the
variable with `_FILE` at its end names a file with the value in UTF-8 (blanks around it are
ignored). Set one of the two, not both.

| variable | default | what it is |
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
        return "the user's data folder"  # it differs from machine to machine
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
