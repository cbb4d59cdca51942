"""What the exit code of `muniment` says; docs/reference/cli.md has this table."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """Exit codes, each with its meaning."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:  # noqa: D102 - how an enum gets a second value
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    OK = 0, "All went well."
    INTERNAL = 1, "A fault in Muniment itself; MUNIMENT_LOG_LEVEL=DEBUG shows where."
    USAGE = 2, "The command line is wrong; nothing was done."
    MAILBOXES_FAILED = 3, "The run ended, and at least one of its mailboxes failed."
    DAMAGED = 4, "Something in the archive is damaged."
    NOT_FOUND = 5, "There is no such user, profile, run or folder."
    CONFLICT = 6, "It exists already, or something is in use."
    MISCONFIGURED = 7, "A setting, a file or a program that is needed is missing or wrong."
    UNAVAILABLE = (
        8,
        "Muniment is not running, or PostgreSQL, Redis or the mail server does not answer; try again later.",
    )
    REFUSED = 9, "The mail server or the database refused; it will do so again until somebody acts."
    CANCELLED = 10, "The run was cancelled."
    INTERRUPTED = 130, "Ctrl-C (128 + SIGINT)."
    BROKEN_PIPE = 141, "Who read the output went away (128 + SIGPIPE)."
