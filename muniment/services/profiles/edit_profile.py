"""Change single fields of a profile, and take profiles out of the installation and into another."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from muniment.db import profiles
from muniment.errors import Misconfigured
from muniment.model.folder_scope import FolderScope
from muniment.model.login import LoginKind, LoginMethod
from muniment.model.profile import ProfileKind, Server
from muniment.model.server_kind import ServerKind
from muniment.secrecy import Secret
from muniment.services.access.principal import Principal, Right
from muniment.services.profiles.profile_document import HINT, ProfileDocument, document_of
from muniment.services.profiles.submit_profile import ProfileRequest, ProfileSummary, submit_profile
from muniment.services.resources import Resources


async def export_profile(principal: Principal, resources: Resources, name: str) -> ProfileDocument:
    """Return a profile without its secrets; NotFound when there is none of this name."""
    principal.require(Right.ARCHIVE, Right.MODIFY_PROFILES)
    async with resources.database.session() as session:
        profile = await profiles.find(session, name)
        return document_of(profile, await profiles.mailboxes(session, profile.id))


async def edit_profile(
    principal: Principal,
    resources: Resources,
    old: ProfileDocument,
    new: ProfileDocument,
    *,
    password: Secret,
    csv: bytes | None,
) -> ProfileSummary:
    """Store the changed document; an empty password and rows that no CSV file replaces stay as they are.

    Misconfigured when a value means nothing or does not fit the others.
    """
    principal.require(Right.MODIFY_PROFILES)
    if (new.name, new.kind) != (old.name, old.kind):
        raise Misconfigured(
            "a profile keeps its name and its kind", hint="Export it, change the file, and import it as another one."
        )
    _check_csv(new, csv)
    if csv is None and new.mailboxes.csv != old.mailboxes.csv:
        raise Misconfigured("the mailboxes of a csv profile come from its file", hint="Give the new file with --csv.")
    request = replace(request_of(new), password=password, csv=csv)
    was_token, is_token = (_uses_token(document) for document in (old, new))
    if was_token != is_token and not password:
        raise Misconfigured(
            "a password is no access token, and the other way round", hint="Give the new one with --password-file."
        )
    return await submit_profile(principal, resources, request, change=True, keep=True)


async def import_profile(
    principal: Principal,
    resources: Resources,
    document: ProfileDocument,
    *,
    password: Secret,
    csv: bytes | None,
) -> ProfileSummary:
    """Add the profile of a document; Conflict when its name is taken, Misconfigured when something is missing."""
    principal.require(Right.MODIFY_PROFILES)
    _check_csv(document, csv)
    request = replace(request_of(document), password=password, csv=csv)
    return await submit_profile(principal, resources, request)


def _check_csv(document: ProfileDocument, csv: bytes | None) -> None:
    if csv is not None and document.kind is not ProfileKind.CSV:
        raise Misconfigured(f"a {document.kind} profile takes no CSV file")


def _uses_token(document: ProfileDocument) -> bool:
    return document.login.method == LoginKind.XOAUTH2


def request_of(document: ProfileDocument) -> ProfileRequest:
    """Return the request that stores such a profile, without secrets and without the rows of a csv profile.

    Misconfigured when a value means nothing.
    """
    server, boxes, folders = document.server, document.mailboxes, document.folders
    if server.timeout_seconds <= 0 or document.max_jobs < 1 or not 0 <= server.port < 65536:
        raise Misconfigured("timeout_seconds, max_jobs and port must be above 0", hint=HINT)
    is_master = document.kind is ProfileKind.MASTER
    return ProfileRequest(
        name=document.name,
        kind=document.kind,
        server=Server(
            server.host,
            server.port or server.access.default_port,
            server.access,
            server.accept_all_certificates,
            server.timeout_seconds,
        ),
        login=LoginMethod.parse(document.login.method) if document.login.method else None,
        user=document.login.user,
        mailboxes=boxes.addresses if is_master and not boxes.all else None,
        except_users=boxes.but_not,
        sync_directory=boxes.sync_directory,
        archive=boxes.archive or None,
        address=boxes.address or None,
        max_jobs=document.max_jobs,
        allow_same_mailbox=document.allow_same_mailbox,
        no_master_mailbox=document.no_master_mailbox,
        server_kind=ServerKind.parse(server.kind),
        identity=document.login.identity,
        folders=FolderScope.of_lists(msgspec.to_builtins(folders)),
        filter=document.filter,
        deletion=document.deletion,
        schedule=document.schedule,
        multidrop=document.multidrop,
    )
