"""Profiles: what to archive, from where and how.

`ProfileSettings` is the only definition of what an administrator can set in a profile. The database stores it as one
document; TOML files, JSON responses, the audit log and `profile edit --set` are derived from its fields.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec.structs import force_setattr, replace

from muniment.errors import Misconfigured
from muniment.links import is_local
from muniment.model.certificates import ca_certificates, certificate_fingerprint
from muniment.model.deletion_rule import AT_ONCE, NO_DELETION, DeletionRule
from muniment.model.folder_scope import USUAL, FolderScope
from muniment.model.login import Identity, LoginKind, LoginMethod
from muniment.model.mail_filter import EVERY_MESSAGE, MailFilter
from muniment.model.multidrop import USUAL_MULTIDROP, Multidrop
from muniment.model.schedule import BY_HAND, Schedule
from muniment.model.server_kind import GENERIC, ServerKind
from muniment.model.server_place import parse_place


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
        """Whether the protocol is POP3, which has no folders, flags or dates."""
        return self in {Access.POP3, Access.POP3_TLS, Access.POP3_SSL}

    @property
    def is_protected(self) -> bool:
        """Whether TLS is used."""
        return self not in {Access.IMAP, Access.POP3}

    @property
    def is_implicit_tls(self) -> bool:
        """Whether TLS starts with the first byte."""
        return self in {Access.IMAP_SSL, Access.POP3_SSL}

    @property
    def is_starttls(self) -> bool:
        """Whether TLS starts after some lines in plaintext."""
        return self in {Access.IMAP_TLS, Access.POP3_TLS}

    @property
    def default_port(self) -> int:
        """The port that IANA assigned to this access."""
        if self.is_pop3:
            return 995 if self.is_implicit_tls else 110
        return 993 if self.is_implicit_tls else 143


#: The fields of a server that neither say where it is nor how the connection is protected.
_UNBOUND = frozenset({"timeout_seconds", "kind"})

#: A change from one of these ports to another changes the protection, not the server.
_USUAL_PORTS = (143, 993, 110, 995)


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A mail server and how to reach it.

    `port`: 0 becomes the default port of the access. `timeout_seconds`: limit for connecting and for each response.
    `kind`: the name of a `ServerKind`. `ca_certificates`: PEM text; only these are trusted. `certificate_sha256`: only
    the certificate with this fingerprint is trusted, for any name and time.
    """

    host: str
    port: int = 0
    access: Access = Access.IMAP_SSL
    accept_all_certificates: bool = False
    timeout_seconds: float = 60.0
    kind: str = GENERIC.name
    ca_certificates: str = ""
    certificate_sha256: str = ""

    def __post_init__(self) -> None:
        ServerKind.parse(self.kind)
        if self.ca_certificates:
            force_setattr(self, "ca_certificates", ca_certificates(self.ca_certificates))
        if self.certificate_sha256:
            force_setattr(self, "certificate_sha256", certificate_fingerprint(self.certificate_sha256))
        if sum(map(bool, (self.accept_all_certificates, self.ca_certificates, self.certificate_sha256))) > 1:
            raise Misconfigured(
                "CA certificates, a fingerprint and accepting all certificates exclude each other",
                hint="Clear the others, as in `profile edit NAME --set server.accept_all_certificates=false`.",
            )
        if not self.port:
            force_setattr(self, "port", self.access.default_port)

    def resolved(self) -> Server:
        """Return the server with a host that DNS knows, and the port of a host like `host:port`.

        Raises Misconfigured if `host` is no host or names another port than `port`. Stored profiles are not checked:
        whoever wants to correct one must be able to read it.
        """
        host, port = parse_place(self.host)
        if port and self.port not in {port, self.access.default_port}:
            raise Misconfigured(f"the host {self.host} names another port than {self.port}", hint="Give the port once.")
        return replace(self, host=host, port=port or self.port)

    @property
    def name(self) -> str:
        """The name of the mail server, the same for every access: `host`, or `host:port` for an unusual port."""
        return server_name(self.host, self.port)

    @property
    def binding(self) -> dict[str, object]:
        """The facts that decide where a password sent to this server goes, and how it is protected on the way.

        A password is sealed for them (`sealing.Place`). Every field is one of them unless it is excused, also a field
        that comes later; fields with their default are left out, so that a new field changes no binding.
        """
        fields = [field for field in msgspec.structs.fields(self) if field.name not in _UNBOUND]
        values = {field.name: getattr(self, field.name) for field in fields}
        changed = {field.name: values[field.name] for field in fields if values[field.name] != field.default}
        facts: dict[str, object] = msgspec.to_builtins(
            {**changed, "host": self.host.lower(), "port": self.port, "access": self.access}, order="sorted"
        )
        return facts

    def at(self, place: str) -> Server:
        """Return the server at `host` or `host:port`, reached in the same way; if `place` is empty, this server."""
        if not place:
            return self
        host, port = parse_place(place)
        return replace(self, host=host, port=port or self.port)


def server_name(host: str, port: int) -> str:
    """Return the name of the mail server at a host and port."""
    return host.lower() if port in _USUAL_PORTS else f"{host.lower()}:{port}"


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table of a profile; fields with default values are left out."""


class Login(_Table, frozen=True, kw_only=True):
    """How to log in.

    `method`: the text of a `LoginMethod`; empty: the first method of the server's kind that the server offers.
    `identity`: how a privileged login names a mailbox; None: the default of the server's kind.
    """

    user: str = ""
    method: str = ""
    identity: Identity | None = None

    def __post_init__(self) -> None:
        if self.method:
            LoginMethod.parse(self.method)


class MailboxScope(_Table, frozen=True, kw_only=True):
    """Which users a master profile archives, if it names no mailboxes.

    `all`: every user with an address, under the primary address, except `but_not` (names or addresses, in lower case).
    `sync_directory`: users are synchronised with a directory before each run.
    """

    all: bool = False
    but_not: tuple[str, ...] = ()
    sync_directory: bool = False

    def __post_init__(self) -> None:
        force_setattr(self, "but_not", tuple(sorted({name.lower() for name in self.but_not})))


class CsvMailbox(_Table, frozen=True, kw_only=True):
    """One mailbox of a csv profile. Documents never contain its password."""

    user: str
    address: str
    login: str
    server: str = ""


class Mailboxes(MailboxScope, frozen=True, kw_only=True):
    """The mailboxes of a profile.

    `addresses`: those that a master profile names. `archive`, `address`: the user and the root folder of a single or
    multidrop profile; empty: same as the login. `csv`: those of a csv profile.
    """

    addresses: tuple[str, ...] = ()
    archive: str = ""
    address: str = ""
    csv: tuple[CsvMailbox, ...] = ()


class ProfileSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an administrator sets in a profile, except secrets and individually named mailboxes.

    `max_jobs`: mailboxes archived at the same time. `allow_same_mailbox`: do not fail if two names open the same
    mailbox. `no_master_mailbox`: the privileged user has no mailbox, so do not inspect it.
    """

    name: str
    kind: ProfileKind
    max_jobs: int = 10
    allow_same_mailbox: bool = False
    no_master_mailbox: bool = False
    server: Server
    login: Login = Login()
    folders: FolderScope = USUAL
    mailboxes: MailboxScope = MailboxScope()
    filter: MailFilter = EVERY_MESSAGE
    deletion: DeletionRule = NO_DELETION
    schedule: Schedule = BY_HAND
    multidrop: Multidrop = USUAL_MULTIDROP

    @property
    def user(self) -> str:
        """The user that logs in; empty for csv profiles."""
        return self.login.user

    @property
    def server_kind(self) -> ServerKind:
        """The properties of the server's kind."""
        return ServerKind.parse(self.server.kind)

    @property
    def identity(self) -> Identity:
        """How a privileged login names a mailbox."""
        return self.login.identity or self.server_kind.identity

    @property
    def logins(self) -> tuple[LoginMethod, ...]:
        """The login methods, in the order in which they are tried."""
        if self.login.method:
            return (LoginMethod.parse(self.login.method),)
        return self.server_kind.logins if self.kind is ProfileKind.MASTER else (LoginMethod(LoginKind.LOGIN),)

    @property
    def is_privileged(self) -> bool:
        """Whether one login opens all mailboxes."""
        return self.logins[0].kind.is_privileged

    @property
    def may_open_master_mailbox(self) -> bool:
        """Whether a login that the server misinterprets could open the privileged user's own mailbox."""
        return self.is_privileged and self.server_kind.may_open_own and not self.no_master_mailbox


class ProfileDocument(ProfileSettings, frozen=True, kw_only=True):
    """A whole profile without its secrets, as `profile export` prints it."""

    mailboxes: Mailboxes = Mailboxes()


class Profile(ProfileSettings, frozen=True, kw_only=True):
    """A stored profile without its secrets.

    `due`: when it runs next on its schedule, in UTC. `schedule_error`: why the last scheduled run did not start.
    """

    id: int
    due: datetime | None = None
    schedule_error: str = ""

    @classmethod
    def of(cls, document: ProfileDocument, *, id: int, due: datetime | None) -> Profile:  # noqa: A002 - the field
        """Return the stored profile for a document."""
        scope = MailboxScope(**shared_fields(document.mailboxes, MailboxScope))
        return cls(**{**shared_fields(document, ProfileSettings), "mailboxes": scope}, id=id, due=due)

    @property
    def all_mailboxes(self) -> bool:
        """Whether the profile archives every user with an address."""
        return self.mailboxes.all

    @property
    def except_users(self) -> tuple[str, ...]:
        """The users that a profile of all users excludes."""
        return self.mailboxes.but_not

    @property
    def sync_directory(self) -> bool:
        """Whether users are synchronised with a directory before each run."""
        return self.mailboxes.sync_directory

    @property
    def warnings(self) -> list[str]:
        """Warnings to show wherever the profile or its runs are shown."""
        accepted = self.server.accept_all_certificates and self.server.access.is_protected
        warnings = ["accepts all certificates: the connection can be intercepted"] if accepted else []
        if not self.server.access.is_protected and not is_local(self.server.host):
            warnings.append(f"sends passwords and mail unencrypted, with {self.server.access}")
        if self.deletion:
            when = "as soon as they are archived" if self.deletion.after == AT_ONCE else f"after {self.deletion.after}"
            odd = ", even if the server announces another size for them" if self.deletion.despite_size else ""
            warnings.append(f"deletes archived messages on the mail server {when}{odd}")
        if self.schedule_error:
            warnings.append(f"could not run as scheduled: {self.schedule_error}")
        return warnings


def shared_fields(struct: msgspec.Struct, base: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the fields that a struct shares with a base of its class."""
    return {name: getattr(struct, name) for name in base.__struct_fields__}
