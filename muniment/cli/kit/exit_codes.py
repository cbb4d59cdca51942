"""The exit codes of `muniment`; the command line reference shows this table."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """Exit codes with their meaning."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:  # noqa: D102 - how an enum gets a second value
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    OK = 0, "Success."
    INTERNAL = 1, "A bug in Muniment; MUNIMENT_LOG_LEVEL=DEBUG shows the traceback."
    USAGE = 2, "The command line is invalid; nothing was done."
    MAILBOXES_FAILED = 3, "The run ended, and at least one mailbox failed."
    DAMAGED = 4, "The archive contains damaged data."
    NOT_FOUND = 5, "The user, profile, run or folder does not exist."
    CONFLICT = 6, "The object already exists or is in use."
    MISCONFIGURED = 7, "A required setting, file or program is missing or invalid."
    UNAVAILABLE = (
        8,
        "Muniment is not running, or PostgreSQL, Redis or the mail server does not respond. Try again later.",
    )
    REFUSED = 9, "The mail server or the database refused the request. Retrying fails until the cause is fixed."
    CANCELLED = 10, "The run was cancelled."
    INCOMPLETE = 11, "The run ended without a failed mailbox, but messages are missing: `quarantine list` names them."
    INTERRUPTED = 130, "Interrupted by Ctrl-C (128 + SIGINT)."
    BROKEN_PIPE = 141, "The reader of the output closed it (128 + SIGPIPE)."
