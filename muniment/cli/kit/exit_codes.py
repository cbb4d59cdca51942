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

    OK = 0, "Success."
    INTERNAL = 1, "A bug in Muniment; MUNIMENT_LOG_LEVEL=DEBUG shows where."
    USAGE = 2, "The command line is wrong; nothing was done."
    MAILBOXES_FAILED = 3, "The run ended, and at least one mailbox failed."
    DAMAGED = 4, "Something in the archive is damaged."
    NOT_FOUND = 5, "There is no such user, profile, run or folder."
    CONFLICT = 6, "It already exists, or is in use."
    MISCONFIGURED = 7, "A required setting, file or program is missing or wrong."
    UNAVAILABLE = (
        8,
        "Muniment is not running, or PostgreSQL, Redis or the mail server does not answer; try again later.",
    )
    REFUSED = 9, "The mail server or the database refused, and will refuse again until you change something."
    CANCELLED = 10, "The run was cancelled."
    INTERRUPTED = 130, "Ctrl-C (128 + SIGINT)."
    BROKEN_PIPE = 141, "The reader of the output has gone (128 + SIGPIPE)."
