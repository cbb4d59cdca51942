"""A profile as a document without secrets: for TOML files, for changes of single fields, and for the audit log."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import tomli_w

from muniment.db.profiles import NamedMailbox
from muniment.errors import Misconfigured
from muniment.model.deletion_rule import NO_DELETION, DeletionRule
from muniment.model.folder_scope import USUAL, FolderRole, Namespace
from muniment.model.login import Identity
from muniment.model.mail_filter import EVERY_MESSAGE, MailFilter
from muniment.model.multidrop import USUAL_MULTIDROP, Multidrop
from muniment.model.profile import Access, Profile, ProfileKind
from muniment.model.schedule import BY_HAND, Schedule
from muniment.model.server_kind import GENERIC

#: What to do about a document that is none.
HINT = "`muniment profile export NAME` shows what a profile looks like."


class _Table(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One table of the document."""


class ServerTable(_Table, omit_defaults=False, kw_only=True):
    """The mail server."""

    host: str
    kind: str = GENERIC.name
    port: int = 0  # 0: that of the access
    access: Access = Access.IMAP_SSL
    accept_all_certificates: bool = False
    timeout_seconds: float = 60.0


class LoginTable(_Table):
    """How to log in; no method: the first of the server's kind that the server offers."""

    user: str = ""
    method: str = ""
    identity: Identity | None = None


class FoldersTable(_Table, omit_defaults=False):
    """Which folders are archived."""

    include: list[str] = []
    exclude: list[str] = []
    always_exclude: list[FolderRole] = msgspec.field(default_factory=lambda: sorted(USUAL.always_exclude))
    namespaces: list[Namespace] = msgspec.field(default_factory=lambda: sorted(USUAL.namespaces))
    sent: list[str] = []


class MailboxTable(_Table):
    """One mailbox of a csv profile; its password is in no document."""

    user: str
    address: str
    login: str
    server: str = ""


class MailboxesTable(_Table):
    """Which mailboxes: of a master profile `all` (`but_not` some users) or `addresses`, of a single one the archive and its root folder."""

    all: bool = False
    but_not: list[str] = []
    sync_directory: bool = False
    addresses: list[str] = []
    archive: str = ""
    address: str = ""
    csv: list[MailboxTable] = []


class ProfileDocument(_Table, omit_defaults=False, kw_only=True):
    """The whole profile."""

    name: str
    kind: ProfileKind
    max_jobs: int = 10
    allow_same_mailbox: bool = False
    no_master_mailbox: bool = False
    server: ServerTable
    login: LoginTable = msgspec.field(default_factory=LoginTable)
    folders: FoldersTable = msgspec.field(default_factory=FoldersTable)
    mailboxes: MailboxesTable = msgspec.field(default_factory=MailboxesTable)
    filter: MailFilter = EVERY_MESSAGE
    deletion: DeletionRule = NO_DELETION
    schedule: Schedule = BY_HAND
    multidrop: Multidrop = USUAL_MULTIDROP


def document_of(profile: Profile, mailboxes: Sequence[NamedMailbox]) -> ProfileDocument:
    """Return what is known of a profile, but for its secrets."""
    server = profile.server
    return ProfileDocument(
        name=profile.name,
        kind=profile.kind,
        max_jobs=profile.max_jobs,
        allow_same_mailbox=profile.allow_same_mailbox,
        no_master_mailbox=profile.no_master_mailbox,
        server=ServerTable(
            host=server.host,
            kind=profile.server_kind.name,
            port=server.port,
            access=server.access,
            accept_all_certificates=server.accept_all_certificates,
            timeout_seconds=server.timeout_seconds,
        ),
        login=LoginTable(
            user=profile.user,
            method=str(profile.login or ""),
            identity=profile.identity if profile.is_privileged else None,
        ),
        folders=msgspec.convert(profile.folders.lists(), FoldersTable),
        mailboxes=_mailboxes(profile, mailboxes),
        filter=profile.filter,
        deletion=profile.deletion,
        schedule=profile.schedule,
        multidrop=profile.multidrop,
    )


def _mailboxes(profile: Profile, mailboxes: Sequence[NamedMailbox]) -> MailboxesTable:
    match profile.kind:
        case ProfileKind.MASTER:
            return MailboxesTable(
                all=profile.all_mailboxes,
                but_not=list(profile.except_users),
                sync_directory=profile.sync_directory,
                addresses=[mailbox.address for mailbox in mailboxes],
            )
        case ProfileKind.SINGLE | ProfileKind.MULTIDROP:
            return MailboxesTable(archive=mailboxes[0].user_name, address=mailboxes[0].address)
        case ProfileKind.CSV:
            rows = [
                MailboxTable(user=m.user_name, address=m.address, login=m.login_user or "", server=m.server)
                for m in mailboxes
            ]
            return MailboxesTable(csv=rows)


def to_builtins(document: ProfileDocument) -> dict[str, Any]:
    """Return a document as dicts, lists, texts and numbers."""
    built: dict[str, Any] = msgspec.to_builtins(document)
    return {key: value for key, value in built.items() if value != {}}


def from_builtins(values: Mapping[str, Any]) -> ProfileDocument:
    """Return the document; Misconfigured says which key is unknown, missing or of another kind."""
    try:
        return msgspec.convert(values, ProfileDocument)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"this is no profile: {str(error).replace('$.', '')}", hint=HINT) from error


def to_toml(document: ProfileDocument) -> str:
    """Return a document as a TOML file's text."""
    return tomli_w.dumps(to_builtins(document))


def from_toml(text: str) -> ProfileDocument:
    """Read a document from a TOML file's text; Misconfigured says what is wrong with it, and where."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"this is no TOML: {error}", hint=HINT) from error
    return from_builtins(values)


def with_change(document: ProfileDocument, key: str, text: str) -> ProfileDocument:
    """Return the document with one field changed: `server.host`, and its value as TOML, or as plain text."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    values = to_builtins(document)
    *tables, field = key.split(".")
    table = values
    for name in tables:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise Misconfigured(f"there is no field {key}", hint=HINT)
    table[field] = value
    return from_builtins(values)
