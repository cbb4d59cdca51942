"""JSON of profiles: every field of `ProfileSettings` is a key, so a new field needs no change here."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from muniment.model.profile import (
    Login,
    MailboxScope,
    Profile,
    ProfileDocument,
    ProfileSettings,
    Server,
)
from muniment.services.profiles.profile_document import to_builtins
from muniment.services.profiles.submit_profile import ProfileSummary
from muniment.shapes.proofs import proofs_shape
from muniment.shapes.values import utc

_F = TypeVar("_F", bound=Callable[..., Any])

#: Tables whose fields are keys of the profile itself, and fields whose keys have another name there.
_FLAT: dict[str, tuple[type[msgspec.Struct], Mapping[str, str]]] = {
    "server": (Server, {"kind": "server_kind"}),
    "login": (Login, {"method": "logins"}),
    "mailboxes": (MailboxScope, {"all": "all_mailboxes", "but_not": "except_users"}),
}


def _listing(**keys: str) -> Callable[[_F], _F]:
    """Return a decorator that inserts lists of keys into a docstring; docs/reference/cli.md is generated from it."""

    def fill(function: _F) -> _F:
        for name, text in keys.items():
            function.__doc__ = (function.__doc__ or "").replace(f"<{name}>", text)
        return function

    return fill


def _keys(kind: type[msgspec.Struct], names: Mapping[str, str] | None = None) -> list[str]:
    """Return the keys of a struct's JSON: `name`, `list[]`, `table{key, …}`."""
    hints = typing.get_type_hints(kind)
    return [(names or {}).get(name, name) + _inside(hints[name]) for name in kind.__struct_fields__]


def _inside(hint: Any) -> str:
    if typing.get_origin(hint) in {tuple, frozenset}:
        inner = typing.get_args(hint)[0]
        return f"[{_inside(inner)}]"
    is_table = isinstance(hint, type) and issubclass(hint, msgspec.Struct)
    return f"{{{', '.join(_keys(hint))}}}" if is_table else ""


def _quoted(keys: list[str]) -> str:
    return ", ".join(f"`{key}`" for key in keys)


def _flat_keys() -> list[str]:
    hints = typing.get_type_hints(ProfileSettings)
    found = []
    for name in ProfileSettings.__struct_fields__:
        found += _keys(*_FLAT[name]) if name in _FLAT else [name + _inside(hints[name])]
    return [key.replace("logins", "logins[]") for key in found]


@_listing(fields=_quoted(_flat_keys()))
def profile_shape(summary: ProfileSummary) -> dict[str, object]:
    """`id`, <fields>, `mailboxes` (number of mailboxes), `proofs{mailboxes, oldest, by_status}` (as in `status`), `due`
    (next scheduled run, or null), `warnings[]`. `logins`
    are in the order in which they are tried; `identity` is null without a privileged login, `user` is null for csv.
    `filter`, `deletion`, `schedule` and `multidrop` are without fields that have their default value.
    """
    profile = summary.profile
    return {
        "id": profile.id,
        **_settings(profile),
        "logins": [str(method) for method in profile.logins],
        "identity": profile.identity.value if profile.is_privileged else None,
        "user": profile.user or None,
        "mailboxes": summary.mailboxes,
        "proofs": proofs_shape(summary.proofs),
        "due": utc(profile.due),
        "warnings": profile.warnings,
    }


def _settings(profile: Profile) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in ProfileSettings.__struct_fields__:
        value = getattr(profile, name)
        if name in _FLAT:
            kind, names = _FLAT[name]
            found |= {names.get(key, key): _plain(getattr(value, key)) for key in kind.__struct_fields__}
        else:
            found[name] = _plain(value)
    return found


def _plain(value: object) -> object:
    return msgspec.to_builtins(value, order="deterministic")


def removed_shape(name: str) -> dict[str, object]:
    """`profile` (its name), `removed` (true)."""
    return {"profile": name, "removed": True}


@_listing(fields=_quoted(_keys(ProfileDocument)))
def export_shape(document: ProfileDocument) -> dict[str, object]:
    """<fields>. `login`, `mailboxes`, `filter`, `deletion`, `schedule` and `multidrop` are without fields that are
    empty or have their default value.
    """
    return to_builtins(document)
