"""Profiles: what to archive, from where and how."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from muniment.model.login import LoginMethod


class ProfileKind(StrEnum):
    """How a profile names its mailboxes."""

    SINGLE = "single"
    MASTER = "master"
    CSV = "csv"


class Access(StrEnum):
    """How the connection is protected; MailStore's *Access via*."""

    IMAP = "imap"
    IMAP_TLS = "imap-tls"  # STARTTLS, RFC 9051 §6.2.1
    IMAP_SSL = "imap-ssl"  # implicit TLS, RFC 8314 §3.2

    @property
    def default_port(self) -> int:
        """The port IANA registered for this access."""
        return 993 if self is Access.IMAP_SSL else 143


#: A change between these is a change of protection, not of the server.
_USUAL_PORTS = (143, 993)


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


def server_name(host: str, port: int) -> str:
    """Return the name of the mail server behind a host and a port."""
    return host.lower() if port in _USUAL_PORTS else f"{host.lower()}:{port}"


@dataclass(frozen=True)
class Profile:
    """An archiving profile without its secret."""

    id: int
    name: str
    kind: ProfileKind
    server: Server
    login: LoginMethod
    user: str
    all_mailboxes: bool  # master only: every user with an address, primary address first
    max_jobs: int  # MailStore: maximum number of archiving jobs executed simultaneously
    allow_same_mailbox: bool  # do not stop when two names open the same mailbox
    no_master_mailbox: bool  # the privileged user has no mailbox of its own: do not look for it

    @property
    def warnings(self) -> list[str]:
        """What must be seen wherever the profile or its runs are shown."""
        accepted = self.server.accept_all_certificates and self.server.access is not Access.IMAP
        return ["accepts all certificates: the connection can be intercepted"] if accepted else []
