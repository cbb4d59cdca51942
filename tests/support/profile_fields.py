"""All fields of a profile, each with a value that is not its default."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from datetime import date
from enum import Enum
from typing import Any

import msgspec
from msgspec.structs import replace

from muniment.model.deletion_rule import ACCEPTED, DeletionRule
from muniment.model.login import Identity
from muniment.model.profile import Login, Mailboxes, ProfileDocument, ProfileKind, Server
from muniment.model.schedule import Schedule

#: The certificate of a CA that exists nowhere.
_CA = """-----BEGIN CERTIFICATE-----
MIIBMzCB2qADAgECAgEBMAoGCCqGSM49BAMCMBkxFzAVBgNVBAMMDmNhLmV4YW1w
bGUuY29tMB4XDTI0MDEwMTAwMDAwMFoXDTQ0MDEwMTAwMDAwMFowGTEXMBUGA1UE
AwwOY2EuZXhhbXBsZS5jb20wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARZaj2x
aoknmtMn47mcIvRx/6vgrqGVa85VohB/E3WCq2PXfCFr0rCAPItNGIff8R5LzXcx
sJmVVst8VYJ99/3ZoxMwETAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gA
MEUCIHrSDdF5uPZes99dwGeaDJ51f2gicsZpqlOb41SfMy0EAiEA5An9Ao5HXlGD
dekMZj34RwInHKWCYS0HV1Ytq6+Xyrg=
-----END CERTIFICATE-----
"""

#: Values for fields whose text has a special format.
_SAMPLES: dict[str, object] = {
    "login.method": "template:{user}*{master}",
    "server.kind": "cyrus",
    "server.ca_certificates": _CA,
    "server.certificate_sha256": "0f" * 32,
    "filter.older_than": "2 years",
    "filter.newer_than": "30 days",
    "deletion.after": "at once",
    "deletion.without_uidplus": ACCEPTED,
    "schedule.run": "weekly mon,thu 21:30",
    "schedule.zone": "Europe/Berlin",
    "schedule.windows": ("20:00-06:00", "sat-sun 00:00-24:00"),
    "mailboxes.addresses": ("ann@example.com", "ben@example.com"),
    "mailboxes.address": "ann@example.com",
}

#: Mailboxes listed one by one are rows of another table; `profile show` only shows their number.
NAMED = {"mailboxes.addresses", "mailboxes.archive", "mailboxes.address", "mailboxes.csv"}


def base(field: str) -> ProfileDocument:
    """Return a profile that has the default in the field, and that shows any other value of it."""
    kind = ProfileKind.MULTIDROP if field.startswith("multidrop.") else ProfileKind.MASTER
    return ProfileDocument(
        name="office",
        kind=kind,
        server=Server("mail.example.com"),
        login=Login(user="archiver", identity=Identity.ADDRESS),
        mailboxes=Mailboxes(all=kind is ProfileKind.MASTER),
        deletion=DeletionRule(after="3 months"),
        schedule=Schedule(run="daily 22:00"),
    )


def fields(kind: type[msgspec.Struct] = ProfileDocument, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the name of every field in `profile edit --set`, and its type."""
    hints = typing.get_type_hints(kind)
    for name in kind.__struct_fields__:
        hint = hints[name]
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            yield from fields(hint, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", hint


#: The name and the kind of a profile cannot be changed.
FIELDS = {field: hint for field, hint in fields() if field not in {"name", "kind"}}


def changed(field: str) -> ProfileDocument:
    """Return the base profile with another value in the field."""
    document: Any = base(field)
    present = document
    for name in field.split("."):
        present = getattr(present, name)
    value = _SAMPLES[field] if field in _SAMPLES else _other(FIELDS[field], present)
    assert value != present, field
    table, _, name = field.rpartition(".")
    if not table:
        changed_document: ProfileDocument = replace(document, **{name: value})
        return changed_document
    return typing.cast(
        "ProfileDocument", replace(document, **{table: replace(getattr(document, table), **{name: value})})
    )


def _other(hint: Any, present: Any) -> object:
    """Return a value of the type that differs from the present one."""
    if isinstance(hint, types.UnionType):
        [hint] = [inner for inner in typing.get_args(hint) if inner is not type(None)]
    if hint in {int, float}:
        return (present or 0) + 7
    if hint in {bool, str, date}:
        return {bool: not present, str: "another", date: date(2024, 2, 29)}[hint]
    if typing.get_origin(hint) in {tuple, frozenset}:
        return typing.get_origin(hint)([_other(typing.get_args(hint)[0], None)])
    if issubclass(hint, Enum):
        return next(member for member in reversed(hint) if member is not present)
    return hint(**{name: f"{name} of it" for name in hint.__struct_fields__})  # a table in a list
