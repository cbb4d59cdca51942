"""Profiles: what to archive, from where and how."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from muniment.model.deletion_rule import AT_ONCE, NO_DELETION, DeletionRule
from muniment.model.folder_scope import USUAL, FolderScope
from muniment.model.login import Identity, LoginKind, LoginMethod
from muniment.model.mail_filter import EVERY_MESSAGE, MailFilter
from muniment.model.multidrop import USUAL_MULTIDROP, Multidrop
from muniment.model.schedule import BY_HAND, Schedule
from muniment.model.server_kind import GENERIC, ServerKind


class ProfileKind(StrEnum):
    """How a profile names its mailboxes."""

    SINGLE = "single"
    MASTER = "master"
    CSV = "csv"
    MULTIDROP = "multidrop"  # one mailbox that holds the mail of many users


class Access(StrEnum):
    """How the connection is protected; MailStore's *Access via*."""

    IMAP = "imap"
    IMAP_TLS = "imap-tls"  # STARTTLS, RFC 9051 §6.2.1
    IMAP_SSL = "imap-ssl"  # implicit TLS, RFC 8314 §3.2
    POP3 = "pop3"
    POP3_TLS = "pop3-tls"  # STLS, RFC 2595 §4
    POP3_SSL = "pop3-ssl"

    @property
    def is_pop3(self) -> bool:
        """Whether there are no folders, flags and dates."""
        return self in {Access.POP3, Access.POP3_TLS, Access.POP3_SSL}

    @property
    def is_protected(self) -> bool:
        """Whether TLS is used."""
        return self not in {Access.IMAP, Access.POP3}

    @property
    def is_implicit_tls(self) -> bool:
        """Whether TLS begins with the first byte."""
        return self in {Access.IMAP_SSL, Access.POP3_SSL}

    @property
    def default_port(self) -> int:
        """The port IANA registered for this access."""
        if self.is_pop3:
            return 995 if self.is_implicit_tls else 110
        return 993 if self.is_implicit_tls else 143


#: A change between these is a change of protection, not of the server.
_USUAL_PORTS = (143, 993, 110, 995)


@dataclass(frozen=True)
class Server:
    """A mail server and how to reach it; `timeout_seconds` bounds connecting and each answer."""

    host: str
    port: int
    access: Access
    accept_all_certificates: bool = False
    timeout_seconds: float = 60.0

    @property
    def name(self) -> str:
        """What one mail server is called wherever it is reached: `host`, or `host:port` for an unusual port."""
        return server_name(self.host, self.port)

    def at(self, place: str) -> Server:
        """Return the server at `host` or `host:port`, reached in the same way; itself where no place is named."""
        if not place:
            return self
        host, _, port = place.rpartition(":") if place.rpartition(":")[2].isdigit() else (place, "", "")
        return replace(self, host=host.strip("[]"), port=int(port) if port else self.port)


def server_name(host: str, port: int) -> str:
    """Return the name of the mail server behind a host and a port."""
    return host.lower() if port in _USUAL_PORTS else f"{host.lower()}:{port}"


@dataclass(frozen=True)
class Profile:
    """An archiving profile without its secret.

    `login` None: the first way of the server's kind that the server offers. `identity`: what a privileged login calls
    a mailbox.
    """

    id: int
    name: str
    kind: ProfileKind
    server: Server
    login: LoginMethod | None
    user: str
    all_mailboxes: bool  # master only: every user with an address, primary address first
    max_jobs: int  # MailStore: maximum number of archiving jobs executed simultaneously
    allow_same_mailbox: bool  # do not stop when two names open the same mailbox
    no_master_mailbox: bool  # the privileged user has no mailbox of its own: do not look for it
    server_kind: ServerKind = GENERIC
    identity: Identity = Identity.ADDRESS
    folders: FolderScope = USUAL
    except_users: tuple[str, ...] = ()  # with all_mailboxes: left out; names or addresses, in lower case
    sync_directory: bool = False  # with all_mailboxes: users are synchronised with a directory before each run
    filter: MailFilter = EVERY_MESSAGE
    deletion: DeletionRule = NO_DELETION
    schedule: Schedule = BY_HAND
    multidrop: Multidrop = USUAL_MULTIDROP
    due: datetime | None = None  # when it runs next by itself, in UTC
    schedule_error: str = ""  # why it could not the last time

    @property
    def logins(self) -> tuple[LoginMethod, ...]:
        """The ways of logging in, in the order in which they are tried."""
        if self.login is not None:
            return (self.login,)
        return self.server_kind.logins if self.kind is ProfileKind.MASTER else (LoginMethod(LoginKind.LOGIN),)

    @property
    def is_privileged(self) -> bool:
        """Whether one login opens all mailboxes."""
        return self.logins[0].kind.is_privileged

    @property
    def may_open_master_mailbox(self) -> bool:
        """Whether a login that went astray could end in a mailbox of the privileged user's own."""
        return self.is_privileged and self.server_kind.may_open_own and not self.no_master_mailbox

    @property
    def warnings(self) -> list[str]:
        """What must be seen wherever the profile or its runs are shown."""
        accepted = self.server.accept_all_certificates and self.server.access.is_protected
        warnings = ["accepts all certificates: the connection can be intercepted"] if accepted else []
        if self.deletion:
            when = "as soon as they are archived" if self.deletion.after == AT_ONCE else f"after {self.deletion.after}"
            warnings.append(f"deletes archived messages on the mail server {when}")
        if self.schedule_error:
            warnings.append(f"could not run as scheduled: {self.schedule_error}")
        return warnings
