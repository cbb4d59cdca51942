"""Profile requests in one call: the fields of all tables side by side."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from muniment.model.login import Identity, LoginMethod
from muniment.model.profile import Login, Mailboxes, ProfileDocument, ProfileKind, Server
from muniment.model.server_kind import ServerKind
from muniment.secrecy import Secret
from muniment.services.profiles.submit_profile import ProfileRequest

_NO_PASSWORD = Secret("")


def profile_request(
    name: str,
    kind: ProfileKind,
    server: Server,
    *,
    server_kind: ServerKind | None = None,
    login: LoginMethod | None = None,
    user: str = "",
    identity: Identity | None = None,
    mailboxes: Iterable[str] | None = None,
    except_users: Iterable[str] = (),
    sync_directory: bool = False,
    archive: str = "",
    address: str = "",
    password: Secret = _NO_PASSWORD,
    csv: bytes | None = None,
    **fields: Any,
) -> ProfileRequest:
    """Return a request. `mailboxes` None: those of all users. `fields`: the profile's own fields."""
    document = ProfileDocument(
        name=name,
        kind=kind,
        server=server if server_kind is None else replace(server, kind=server_kind.name),
        login=Login(user=user, method=str(login or ""), identity=identity),
        mailboxes=Mailboxes(
            all=kind is ProfileKind.MASTER and mailboxes is None,
            but_not=tuple(except_users),
            sync_directory=sync_directory,
            addresses=tuple(mailboxes or ()),
            archive=archive,
            address=address,
        ),
        **fields,
    )
    return ProfileRequest(document, password, csv)
