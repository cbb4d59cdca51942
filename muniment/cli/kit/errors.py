"""Errors as people see them: a line, a hint, an exit code; all on standard error."""

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

#: The first that fits wins, so the special ones come before the general ones.
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
    """Return the exit code that an error of Muniment's ends the command with."""
    return next((code for kind, code in _EXIT_CODES if isinstance(error, kind)), ExitCode.INTERNAL)


def report(error: MunimentError) -> ExitCode:
    """Print an expected error with what to do about it, and return its exit code."""
    _traceback_for_developers()
    click.echo(f"error: {error}", err=True)
    if error.hint:
        click.echo(f"hint: {error.hint}", err=True)
    return exit_code_of(error)


def report_fault(error: Exception) -> ExitCode:
    """Print an error that should not have happened, and return its exit code."""
    shown = _traceback_for_developers()
    words = " ".join(str(error).split())
    click.echo(f"error: unexpected {type(error).__name__}{f': {words}' if words else ''}", err=True)
    if not shown:
        click.echo("hint: MUNIMENT_LOG_LEVEL=DEBUG shows where; please report it with that output.", err=True)
    return ExitCode.INTERNAL


def warn(text: str) -> None:
    """Print a warning on standard error."""
    click.echo(f"warning: {text}", err=True)


def _traceback_for_developers() -> bool:
    # Read from the environment: settings may be what is wrong.
    wanted = os.environ.get("MUNIMENT_LOG_LEVEL", "").upper() == "DEBUG"
    if wanted:
        traceback.print_exc()
    return wanted
