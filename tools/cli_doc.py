"""Writes docs/reference/cli.md from the command line itself: `python -m tools.cli_doc`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from muniment.cli.kit.exit_codes import ExitCode
from muniment.cli.program import root
from muniment.shapes import (
    archives,
    audit,
    doctor,
    index,
    keys,
    messages,
    profiles,
    runs,
    searches,
    servers,
    status,
    users,
)

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "cli.md"

_WIDTH = 100

#: What `--json` prints; each function's docstring lists its keys.
SHAPES: dict[str, tuple[str, Callable[..., dict[str, object]]]] = {
    "user list": ("a list of", users.user_shape),
    "profile list": ("a list of", profiles.profile_shape),
    "profile show": ("one object", profiles.profile_shape),
    "profile remove": ("one object", profiles.removed_shape),
    "batch submit": ("a list of (with --check)", doctor.check_shape),
    "profile export": ("one object", profiles.export_shape),
    "profile folders": ("one object", doctor.folders_shape),
    "profile test": ("one object", doctor.probe_shape),
    "profile run": ("one object (with --what-if)", doctor.forecast_shape),
    "run list": ("a list of", runs.run_shape),
    "run show": ("one object", runs.report_shape),
    "search": ("one object", searches.found_shape),
    "saved-search list": ("a list of", searches.search_shape),
    "index status": ("one object", index.index_shape),
    "index compare": ("a list of", index.comparison_shape),
    "index problems": ("a list of", index.problem_shape),
    "message": ("one object", messages.message_shape),
    "archive show": ("one object", archives.archive_shape),
    "export": ("one object", archives.export_shape),
    "verify": ("one object", archives.verify_shape),
    "deletions": ("a list of", messages.deletion_shape),
    "quarantine list": ("a list of", messages.quarantined_shape),
    "quarantine show": ("one object", messages.quarantined_shape),
    "server list": ("a list of", servers.server_shape),
    "audit": ("a list of", audit.audit_shape),
    "status": ("one object", status.status_shape),
    "key show": ("one object", keys.key_use_shape),
}

_HEAD = """\
# Command line

*Generated from muniment/cli by `python -m tools.cli_doc`. A test compares this page with the code.*

`muniment` talks to the `muniment up` that runs on the same data folder (`--data` or `MUNIMENT_DATA`), or to the
servers that `MUNIMENT_DATABASE_URL` and `MUNIMENT_REDIS_URL` name. [Settings](settings.md) lists every environment
variable.

Results go to standard output. Progress, warnings and errors go to standard error. An error is a line `error: …`,
usually followed by `hint: …`, which says what to do.

**Passwords** are never given on the command line. Use `--password-file FILE`, `--password-stdin`, or the prompt, which
does not echo. One line break at the end is not part of the password.

**Completion** for bash: `eval "$(_MUNIMENT_COMPLETE=bash_source muniment)"`. For zsh and fish, use `zsh_source` and
`fish_source`.

## Exit codes

| code | name | meaning |
|---|---|---|
"""

_JSON = """\

## JSON output

With `--json`, standard output holds one JSON value and nothing else. Existing keys keep their names and meaning; new
keys may be added. Times are ISO 8601 in UTC. Ids and sizes (in bytes) are numbers. `[]` marks a list.

| command | prints | keys |
|---|---|---|
"""


def render() -> str:
    """Return the whole page."""
    codes = "".join(f"| {int(code)} | `{code.name}` | {code.meaning} |\n" for code in ExitCode)
    shapes = "".join(f"| `{name}` | {how} | {_keys(shape)} |\n" for name, (how, shape) in SHAPES.items())
    return _HEAD + codes + _JSON + shapes + "\n## Commands\n" + "".join(_sections())


def commands() -> Iterator[tuple[str, click.Context]]:
    """Yield every command with its full name, groups before their commands."""
    yield from _walk(root, "muniment", None)


def _walk(command: click.Command, name: str, parent: click.Context | None) -> Iterator[tuple[str, click.Context]]:
    settings = {"terminal_width": _WIDTH, "max_content_width": _WIDTH, **command.context_settings}
    context = click.Context(command, parent=parent, info_name=name, **settings)
    yield context.command_path, context
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            yield from _walk(found, inner, context)


def _sections() -> Iterator[str]:
    for path, context in commands():
        help_text = "\n".join(line.rstrip() for line in context.command.get_help(context).splitlines())
        yield f"\n### {path}\n\n```\n{help_text}\n```\n"


def _keys(shape: Callable[..., dict[str, object]]) -> str:
    return " ".join(inspect.cleandoc(shape.__doc__ or "").split())


if __name__ == "__main__":
    PAGE.write_text(render(), "utf-8")
