"""A profile as a document: for TOML files, for changes of individual fields, and for the audit log."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import tomli_w
from msgspec.structs import asdict

from muniment.db.profiles import NamedMailbox
from muniment.errors import Misconfigured
from muniment.model.profile import CsvMailbox, Mailboxes, ProfileDocument, ProfileKind, ProfileSettings, shared_fields

#: The hint for a document that is not a profile.
HINT = "`muniment profile export NAME` shows what a profile looks like."


def document_of(settings: ProfileSettings, mailboxes: Sequence[NamedMailbox]) -> ProfileDocument:
    """Return the document of a stored profile, with the mailboxes that it names."""
    named = Mailboxes(**asdict(settings.mailboxes), **_named(settings.kind, mailboxes))
    return ProfileDocument(**{**shared_fields(settings, ProfileSettings), "mailboxes": named})


def _named(kind: ProfileKind, mailboxes: Sequence[NamedMailbox]) -> dict[str, Any]:
    match kind:
        case ProfileKind.MASTER:
            return {"addresses": tuple(mailbox.address for mailbox in mailboxes)}
        case ProfileKind.SINGLE | ProfileKind.MULTIDROP:
            return {"archive": mailboxes[0].user_name, "address": mailboxes[0].address}
        case ProfileKind.CSV:
            return {
                "csv": tuple(
                    CsvMailbox(user=m.user_name, address=m.address, login=m.login_user or "", server=m.server)
                    for m in mailboxes
                )
            }


def to_builtins(document: ProfileDocument) -> dict[str, Any]:
    """Return a document as JSON values; tables that contain only defaults are left out."""
    built: dict[str, Any] = msgspec.to_builtins(document, order="deterministic")
    return {key: value for key, value in built.items() if value != {}}


def from_builtins(values: Mapping[str, Any]) -> ProfileDocument:
    """Return the document of JSON values; Misconfigured names the key that is unknown, missing or of the wrong type."""
    try:
        return msgspec.convert(values, ProfileDocument)
    except msgspec.ValidationError as error:
        raise Misconfigured(f"this is no profile: {str(error).replace('$.', '')}", hint=HINT) from error


def to_toml(document: ProfileDocument) -> str:
    """Return a document as the text of a TOML file."""
    return tomli_w.dumps(to_builtins(document))


def from_toml(text: str) -> ProfileDocument:
    """Parse the text of a TOML file; Misconfigured says what is wrong, and where."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"this is no TOML: {error}", hint=HINT) from error
    return from_builtins(values)


def with_change(document: ProfileDocument, key: str, text: str) -> ProfileDocument:
    """Return the document with one field, such as `server.host`, set to a TOML value or else to plain text."""
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
