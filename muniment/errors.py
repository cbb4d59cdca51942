"""Every error that Muniment raises on purpose.

What a caller may do about an error is its *type*, never a string to look into::

    MunimentError
    ├── Transient                 the same call may succeed later
    │   ├── ServerUnavailable     no connection, cut off, timed out, BYE
    │   │   └── GaveUp            the same, and what the connection broke at is skipped from now on
    │   ├── ServerThrottled       the mail server asks for less (RFC 5530, RFC 9051 codes)
    │   ├── ProtocolViolation     the mail server broke the rules of IMAP
    │   ├── DatabaseUnavailable   PostgreSQL is away
    │   ├── BrokerUnavailable     Redis is away
    │   ├── MailboxBusy           another job is archiving this mailbox
    │   ├── ServerBusy            the mail server gets no more connections from us now
    │   └── SearchUnavailable     OpenSearch is away, or asks for less
    │       └── RequestTooLarge   OpenSearch refuses a request of this size; parts of it may pass
    ├── Permanent                 the same call will fail again until somebody acts
    │   ├── LoginRefused          user name, password or privilege is wrong
    │   ├── LoginUnsupported      the server does not offer this way of logging in
    │   ├── CertificateRejected   TLS certificate not trusted
    │   ├── WrongMailbox          the server opened another mailbox than asked for
    │   ├── CommandRefused        the mail server answered NO or BAD
    │   ├── Unstorable            PostgreSQL cannot hold this value
    │   ├── Damaged               stored bytes are not the bytes that were archived
    │   ├── Forbidden             somebody may not do this
    │   ├── NotFound              no such profile, run, user, folder
    │   └── Conflict              exists already, or is in use
    ├── Misconfigured             a setting, a file or an argument is wrong
    │   ├── BadQuery              what is searched for breaks the query language
    │   └── BadRow                a row of a CSV file describes no mailbox
    └── Interrupted               control flow: the slice must stop, nothing is wrong
        ├── LeaseLost             another worker owns the job now
        ├── RunCancelled          the administrator cancelled the run
        └── BudgetSpent           no room or no time is left to read an attachment

`NotStarted` stands outside of the tree: it is a `CancelledError`, because a caller treats it as one.

The docstring of a class is its default message; `hint` says what a person can do.
"""

from __future__ import annotations

from concurrent.futures import CancelledError


class MunimentError(Exception):
    """Something went wrong in Muniment."""

    #: What a person can do about it; one sentence, or empty.
    default_hint = ""

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        super().__init__(message or self.__doc__)
        self.hint = self.default_hint if hint is None else hint


class Transient(MunimentError):
    """The attempt failed; it is worth another try later."""


class ServerUnavailable(Transient):
    """The mail server cannot be reached or closed the connection."""

    default_hint = "Check host, port and that the mail server is running; Muniment tries again by itself."


class GaveUp(ServerUnavailable):
    """The connection broke at a message or folder, which is skipped from now on: the next attempt goes past it."""


class ServerThrottled(Transient):
    """The mail server asks for fewer or slower connections."""

    default_hint = "Lower the profile's --max-jobs; Muniment waits and tries again by itself."


class ProtocolViolation(Transient):
    """The mail server answered something that IMAP does not allow."""

    default_hint = "Nothing was lost. If it stays, report the server's name and version."


class DatabaseUnavailable(Transient):
    """PostgreSQL cannot be reached."""

    default_hint = "Start Muniment with `muniment up`, or check MUNIMENT_DATABASE_URL."


class BrokerUnavailable(Transient):
    """Redis cannot be reached."""

    default_hint = "Start Muniment with `muniment up`, or check MUNIMENT_REDIS_URL."


class MailboxBusy(Transient):
    """Another job is archiving this mailbox."""


class ServerBusy(Transient):
    """The mail server gets no more connections from us now.

    It says nothing about the mailbox; `seconds`: before then another try is of no use.
    """

    default_hint = "`muniment status` shows the server's limit, and why; Muniment goes on by itself."

    def __init__(self, message: str | None = None, *, hint: str | None = None, seconds: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.seconds = seconds


class SearchUnavailable(Transient):
    """OpenSearch cannot be reached, or takes no more at present."""

    default_hint = "Check MUNIMENT_OPENSEARCH_URL and that OpenSearch runs; archiving goes on, the index catches up."


class RequestTooLarge(SearchUnavailable):
    """OpenSearch refuses a request of this size."""


class Permanent(MunimentError):
    """The attempt failed and will fail again until somebody acts."""


class LoginRefused(Permanent):
    """The mail server refused the login."""

    default_hint = "Check user name and password."


class LoginUnsupported(Permanent):
    """The mail server does not offer this way of logging in."""

    default_hint = "Choose another --login method or --access."


class CertificateRejected(Permanent):
    """The mail server's TLS certificate is not trusted."""

    default_hint = "Install the server's CA on this machine, or set --accept-all-certificates if you accept the risk."


class WrongMailbox(Permanent):
    """The mail server opened another mailbox than the one asked for."""

    default_hint = "Check that the privileged user really may log in as others; nothing was archived."


class CommandRefused(Permanent):
    """The mail server refused a command."""

    default_hint = "Look into the mail server's log for the reason; nothing was lost, and the next run tries again."


class Unstorable(Permanent):
    """PostgreSQL cannot hold this value."""


class Damaged(Permanent):
    """Stored bytes are not the bytes that were archived."""

    default_hint = "Restore the content from a backup; `muniment verify` lists everything that is damaged."


class Forbidden(Permanent):
    """This may not be done."""


class NotFound(Permanent):
    """There is no such thing."""


class Conflict(Permanent):
    """It exists already or is in use."""


class Misconfigured(MunimentError):
    """A setting, a file or an argument is wrong."""


class BadQuery(Misconfigured):
    """A query breaks the rules of the query language; `position`: where, in characters from the start."""

    default_hint = (
        "docs/reference/query-language.md has the query language; what stands in quotes is searched for as it is."
    )

    def __init__(
        self, message: str | None = None, query: str = "", position: int = 0, *, hint: str | None = None
    ) -> None:
        where = f", at character {position + 1}:\n  {query}\n  {' ' * position}^"
        super().__init__(f"{message or self.__doc__}{where}", hint=hint)
        self.position = position


class BadRow(Misconfigured):
    """A row of a CSV file describes no mailbox; the message never quotes a value that could be a password."""


class Interrupted(MunimentError):
    """The work must stop here; nothing is wrong."""


class LeaseLost(Interrupted):
    """Another worker owns this job now."""


class RunCancelled(Interrupted):
    """The run was cancelled."""


class BudgetSpent(Interrupted):
    """No room or no time is left to read this attachment."""


class NotStarted(CancelledError):
    """The process is shutting down, and the service never started."""
