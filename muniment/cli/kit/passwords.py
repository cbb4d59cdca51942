"""Reads passwords from a file, from standard input or from a prompt; never from the command line."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import click

from muniment.cli.kit.errors import warn
from muniment.errors import Misconfigured
from muniment.secrecy import Secret


def read_password(file: Path | None, *, from_stdin: bool, user: str) -> Secret:
    """Return the password of `user` from `file`, from standard input, or from a prompt.

    One trailing line break is not part of the password. Raises Misconfigured if the password is empty or
    cannot be sent, and UsageError if a prompt is needed but there is no terminal.
    """
    if file is not None and from_stdin:
        raise click.UsageError("--password-file and --password-stdin are mutually exclusive.")
    if file is not None:
        warn_if_readable_by_all(file)
        return _checked(_bytes_of(file), f"the password file {file}")
    if from_stdin:
        return _checked(sys.stdin.buffer.read(), "standard input")
    if not sys.stdin.isatty():
        raise click.UsageError(
            "A password is required, but there is no terminal to prompt on: use --password-file FILE or "
            "--password-stdin."
        )
    typed = click.prompt(f"Password of {user}", hide_input=True, default="", show_default=False, err=True)
    return _checked(typed.encode(), "the prompt")


def warn_if_readable_by_all(file: Path) -> None:
    """Warn if every user of this machine can read a file that contains passwords."""
    try:
        mode = file.stat().st_mode
    except OSError:
        return  # reading the file reports the error
    if stat.S_ISREG(mode) and mode & stat.S_IROTH:
        warn(f"{file} is readable by every user of this machine; run: chmod 600 {file}")


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Misconfigured(f"cannot read the password file {file}: {error.strerror}") from error


def _checked(raw: bytes, source: str) -> Secret:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        # Not chained: the error contains the bytes, which are secret.
        raise Misconfigured(f"{source} is not valid UTF-8 text") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise Misconfigured(f"{source} contains no password")
    if any(character in text for character in "\r\n\0"):
        raise Misconfigured(
            f"{source} contains more than one line", hint="It must contain the password and nothing else."
        )
    return Secret(text)
