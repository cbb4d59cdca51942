"""All errors that Muniment raises.

The *type* of an error tells the caller what to do about it; callers never inspect the message::

    MunimentError
    ├── Transient                 the same call may succeed later
    │   ├── ServerUnavailable     no connection, connection lost, timeout, BYE
    │   │   └── GaveUp            the same, and what the connection broke at is skipped from now on
    │   ├── ServerThrottled       the mail server asks for less load (RFC 5530, RFC 9051 codes)
    │   ├── ProtocolViolation     the mail server violated the protocol
    │   ├── DatabaseUnavailable   PostgreSQL is unavailable
    │   │   └── StatementEnded    PostgreSQL ended a statement: its time limit, or an administrator
    │   ├── BrokerUnavailable     Redis is unavailable
    │   ├── MailboxBusy           another job is archiving this mailbox
    │   ├── ServerBusy            we have reached this mail server's connection limit
    │   └── SearchUnavailable     OpenSearch is unavailable or overloaded
    │       └── RequestTooLarge   OpenSearch refuses a request of this size; parts of it may pass
    ├── Permanent                 the same call fails again until someone fixes the cause
    │   ├── LoginRefused          wrong user name, password or privilege
    │   ├── LoginUnsupported      the server does not offer this login method
    │   ├── CertificateRejected   the TLS certificate is not trusted
    │   ├── PlaintextInjected     data arrived before TLS began, possibly an attack
    │   ├── WrongMailbox          the server opened a different mailbox than requested
    │   ├── CommandRefused        the mail server answered NO or BAD
    │   ├── Unstorable            PostgreSQL cannot store this value
    │   ├── SearchTooSlow         a search took longer than it may
    │   ├── Damaged               the stored bytes differ from the archived message
    │   ├── Forbidden             the principal lacks the right to do this
    │   ├── NotFound              no such profile, run, user or folder
    │   └── Conflict              the object already exists or is in use
    ├── Misconfigured             a setting, a file or an argument is invalid
    │   ├── BadQuery              a search query is syntactically invalid
    │   ├── BadTerm               one of its terms cannot be searched for
    │   ├── TooComplex            more words fit a search query than the index can search for
    │   └── BadRow                a row of a CSV file describes no mailbox
    └── Interrupted               control flow: the slice must stop; not a failure
        ├── LeaseLost             another worker now owns the job
        ├── RunCancelled          the administrator cancelled the run
        └── BudgetSpent           no room or no time is left to read an attachment

`NotStarted` is not part of the tree: it is a `CancelledError`, because a caller treats it as one.

The docstring of a class is its default message; `hint` tells the user what to do.
"""

from __future__ import annotations

from concurrent.futures import CancelledError


class MunimentError(Exception):
    """Something went wrong in Muniment."""

    #: What the user can do about the error: one sentence, or empty.
    default_hint = ""

    def __init__(self, message: str | None = None, *, hint: str | None = None) -> None:
        super().__init__(message or self.__doc__)
        self.hint = self.default_hint if hint is None else hint


class Transient(MunimentError):
    """The attempt failed. A later attempt may succeed."""


class ServerUnavailable(Transient):
    """The mail server cannot be reached or closed the connection."""

    default_hint = "Check the host and port, and that the mail server is running. Muniment retries automatically."


class GaveUp(ServerUnavailable):
    """The connection broke at a message or folder, which is skipped from now on: the next attempt goes past it."""


class ServerThrottled(Transient):
    """The mail server asks for fewer or slower connections."""

    default_hint = "Lower the profile's --max-jobs. Muniment waits and retries automatically."


class ProtocolViolation(Transient):
    """The mail server sent a response that violates the protocol."""

    default_hint = "Nothing was lost. If the error persists, report it with the server's name and version."


class DatabaseUnavailable(Transient):
    """PostgreSQL cannot be reached."""

    default_hint = "Start Muniment with `muniment up`, or check MUNIMENT_DATABASE_URL."


class StatementEnded(DatabaseUnavailable):
    """PostgreSQL ended a statement before it was done: it took too long, or an administrator ended it."""


class BrokerUnavailable(Transient):
    """Redis cannot be reached."""

    default_hint = "Start Muniment with `muniment up`, or check MUNIMENT_REDIS_URL."


class MailboxBusy(Transient):
    """Another job is archiving this mailbox."""


class ServerBusy(Transient):
    """We have reached this mail server's connection limit.

    The error does not concern the mailbox. A retry before `seconds` have passed is pointless.
    """

    default_hint = "`muniment status` shows the server's limit and the reason for it. Muniment continues automatically."

    def __init__(self, message: str | None = None, *, hint: str | None = None, seconds: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.seconds = seconds


class SearchUnavailable(Transient):
    """OpenSearch cannot be reached or is overloaded."""

    default_hint = (
        "Check MUNIMENT_OPENSEARCH_URL and that OpenSearch is running. Archiving continues, and the index catches up."
    )


class RequestTooLarge(SearchUnavailable):
    """OpenSearch refuses a request of this size."""


class Permanent(MunimentError):
    """The attempt failed. It will fail again until someone fixes the cause."""


class LoginRefused(Permanent):
    """The mail server refused the login."""

    default_hint = "Check the user name and the password."


class LoginUnsupported(Permanent):
    """The mail server does not offer this login method."""

    default_hint = "Choose another --login method or --access."


class CertificateRejected(Permanent):
    """The mail server's TLS certificate is not trusted."""

    default_hint = (
        "Trust the server's CA certificate with --ca-file, or only this certificate with --certificate-sha256 "
        "(`muniment profile test` shows its fingerprint). --accept-all-certificates is insecure."
    )


class PlaintextInjected(Permanent):
    """Data arrived before TLS began, possibly an attack."""

    default_hint = (
        "Nothing that arrived was used, and no password was sent. Look for what could alter the connection (a proxy, a "
        "virus scanner, an attacker), or use TLS from the start: --access imap-ssl or pop3-ssl."
    )


class WrongMailbox(Permanent):
    """The mail server opened a different mailbox than the one requested."""

    default_hint = "Check that the privileged user has the right to log in as other users. Nothing was archived."


class CommandRefused(Permanent):
    """The mail server refused a command."""

    default_hint = "Look for the reason in the mail server's log. Nothing was lost, and the next run tries again."


class Unstorable(Permanent):
    """PostgreSQL cannot store this value."""


class SearchTooSlow(Permanent):
    """The search took longer than it may."""

    default_hint = (
        "Add a word, a sender or a date, use fewer wildcards and none at the beginning of a word, or raise "
        "MUNIMENT_SEARCH_SECONDS."
    )


class Damaged(Permanent):
    """The stored bytes differ from the message that was archived."""

    default_hint = "Restore the content from a backup. `muniment verify` lists everything that is damaged."


class Forbidden(Permanent):
    """This operation is not permitted."""


class NotFound(Permanent):
    """The object does not exist."""


class Conflict(Permanent):
    """The object already exists or is in use."""


class Misconfigured(MunimentError):
    """A setting, a file or an argument is invalid."""


class BadQuery(Misconfigured):
    """The query is invalid; `position` is the offset of the error in characters."""

    default_hint = (
        "docs/reference/query-language.md describes the query language. To search for text literally, put it in quotes."
    )

    def __init__(
        self, message: str | None = None, query: str = "", position: int = 0, *, hint: str | None = None
    ) -> None:
        where = f", at character {position + 1}:\n  {query}\n  {' ' * position}^"
        super().__init__(f"{message or self.__doc__}{where}", hint=hint)
        self.position = position


class BadTerm(Misconfigured):
    """A term of a query cannot be searched for; the parser turns the error into a BadQuery with its position."""

    default_hint = BadQuery.default_hint


class TooComplex(Misconfigured):
    """More words fit the wildcards of this query than OpenSearch can search for at once."""

    default_hint = "Write more letters before the *, or use fewer wildcards."


class BadRow(Misconfigured):
    """A row of a CSV file describes no mailbox; the message never quotes a value that could be a password."""


class Interrupted(MunimentError):
    """The work must stop now. This is not a failure."""


class LeaseLost(Interrupted):
    """Another worker now owns this job."""


class RunCancelled(Interrupted):
    """The run was cancelled."""


class BudgetSpent(Interrupted):
    """No room or no time is left to read this attachment."""


class NotStarted(CancelledError):
    """The process is shutting down, and the service never started."""
