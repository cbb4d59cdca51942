"""Reports errors on standard error: one line, a hint, and an exit code."""

from __future__ import annotations

import os
import traceback

import click

from muniment.cli.kit.exit_codes import ExitCode
from muniment.errors import (
    Conflict,
    Damaged,
    Misconfigured,
    MunimentError,
    NotFound,
    Permanent,
    RunCancelled,
    Transient,
)

#: The first match wins, so specific errors come before general ones.
_EXIT_CODES: tuple[tuple[type[MunimentError], ExitCode], ...] = (
    (NotFound, ExitCode.NOT_FOUND),
    (Conflict, ExitCode.CONFLICT),
    (Damaged, ExitCode.DAMAGED),
    (RunCancelled, ExitCode.CANCELLED),
    (Transient, ExitCode.UNAVAILABLE),
    (Permanent, ExitCode.REFUSED),
    (Misconfigured, ExitCode.MISCONFIGURED),
)


def exit_code_of(error: MunimentError) -> ExitCode:
    """Return the exit code for an error."""
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), ExitCode.INTERNAL)


def report(error: MunimentError) -> ExitCode:
    """Print an expected error and its hint, and return its exit code."""
    _traceback_for_developers()
    click.echo(f"error: {error}", err=True)
    if error.hint:
        click.echo(f"hint: {error.hint}", err=True)
    return exit_code_of(error)


def report_fault(error: Exception) -> ExitCode:
    """Print an unexpected error and return its exit code."""
    shown = _traceback_for_developers()
    words = " ".join(str(error).split())
    click.echo(f"error: unexpected {type(error).__name__}{f': {words}' if words else ''}", err=True)
    if not shown:
        click.echo(
            "hint: This is a bug in Muniment. Run the command again with MUNIMENT_LOG_LEVEL=DEBUG "
            "and report it with that output.",
            err=True,
        )
    return ExitCode.INTERNAL


def warn(text: str) -> None:
    """Print a warning on standard error."""
    click.echo(f"warning: {text}", err=True)


def _traceback_for_developers() -> bool:
    # Read from the environment, because the settings themselves may be invalid.
    wanted = os.environ.get("MUNIMENT_LOG_LEVEL", "").upper() == "DEBUG"
    if wanted:
        traceback.print_exc()
    return wanted
