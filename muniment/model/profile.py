"""Profiles: what to archive, from where and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from muniment.errors import Misconfigured
from muniment.secrecy import Secret


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


class LoginKind(StrEnum):
    """The ways of logging in to a mailbox."""

    PLAIN_AUTHZID = "plain-authzid"  # AUTHENTICATE PLAIN with authorization identity, RFC 4616
    TEMPLATE = "template"  # LOGIN with a name made of user and master
    LOGIN = "login"  # LOGIN with the mailbox's own name and password


@dataclass(frozen=True)
class LoginMethod:
    """A way of logging in; `template` (only for TEMPLATE) holds `{user}` and `{master}`."""

    kind: LoginKind
    template: str = ""

    @classmethod
    def parse(cls, text: str) -> LoginMethod:
        """Read `plain-authzid`, `login` or `template:'{user}*{master}'`; Misconfigured otherwise."""
        kind, _, template = text.partition(":")
        if kind == LoginKind.TEMPLATE:
            if "{user}" not in template or "{master}" not in template:
                raise Misconfigured(
                    f"login template {template!r} lacks a placeholder",
                    hint="Write it like template:'{user}*{master}'.",
                )
            return cls(LoginKind.TEMPLATE, template)
        if template or kind not in {LoginKind.PLAIN_AUTHZID, LoginKind.LOGIN}:
            raise Misconfigured(
                f"unknown login method {text!r}", hint="Known: plain-authzid, login, template:'{user}*{master}'."
            )
        return cls(LoginKind(kind))

    def __str__(self) -> str:
        return f"{self.kind}:{self.template}" if self.template else self.kind.value

    def login_name(self, user: str, master: str) -> str:
        """Return the name a template makes; plain replacement, so that braces elsewhere are harmless."""
        parts = {"{user}": user, "{master}": master}
        first, second = sorted(parts, key=self.template.index)
        head, _, rest = self.template.partition(first)
        middle, _, tail = rest.partition(second)
        return head + parts[first] + middle + parts[second] + tail


@dataclass(frozen=True)
class Credentials:
    """What one login sends.

    For PLAIN_AUTHZID `user` is the authentication identity and `authorize_as` the mailbox;
    for the other kinds `user` is the finished login name and `authorize_as` is empty.
    """

    kind: LoginKind
    user: str
    password: Secret
    authorize_as: str = ""


@dataclass(frozen=True)
class OwnLogin:
    """The login that a csv profile has for one mailbox; the password is sealed (`secrecy.SecretBox`)."""

    user: str
    sealed_password: bytes = field(repr=False)


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
