"""Passwords: from a file, from standard input or typed unseen; never from the command line."""

from __future__ import annotations

import stat
import sys
from pathlib import Path

import click

from muniment.cli.kit.errors import warn
from muniment.errors import Misconfigured
from muniment.secrecy import Secret


def read_password(file: Path | None, *, from_stdin: bool, user: str) -> Secret:
    """Return the password of `user`: of `file`, else of standard input, else typed on the terminal.

    One line break at the end belongs to the file, not to the password. Misconfigured when there is no
    password, or one that cannot be sent; UsageError when nobody is there to be asked.
    """
    if file is not None and from_stdin:
        raise click.UsageError("--password-file and --password-stdin exclude each other: keep one of them.")
    if file is not None:
        warn_if_readable_by_all(file)
        return _checked(_bytes_of(file), f"the password file {file}")
    if from_stdin:
        return _checked(sys.stdin.buffer.read(), "standard input")
    if not sys.stdin.isatty():
        raise click.UsageError(
            "a password is needed and this is no terminal to ask on: use --password-file FILE or --password-stdin."
        )
    typed = click.prompt(f"Password of {user}", hide_input=True, default="", show_default=False, err=True)
    return _checked(typed.encode(), "the prompt")


def warn_if_readable_by_all(file: Path) -> None:
    """Warn when every user of this machine can read a file that holds passwords."""
    try:
        mode = file.stat().st_mode
    except OSError:
        return  # reading it will say what is wrong
    if stat.S_ISREG(mode) and mode & stat.S_IROTH:
        warn(f"{file} can be read by every user of this machine: chmod 600 {file}")


def _bytes_of(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Misconfigured(f"cannot read the password file {file}: {error.strerror}") from error


def _checked(raw: bytes, source: str) -> Secret:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        # Not chained: the error holds the bytes, which are a secret.
        raise Misconfigured(f"{source} is not text in UTF-8") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise Misconfigured(f"{source} holds no password")
    if any(character in text for character in "\r\n\0"):
        raise Misconfigured(f"{source} holds more than one line", hint="It must hold the password and nothing else.")
    return Secret(text)
