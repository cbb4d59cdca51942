"""Change individual fields of a profile, and export and import profiles."""

from __future__ import annotations

from muniment.db import profiles
from muniment.errors import Misconfigured
from muniment.model.login import LoginKind
from muniment.model.profile import ProfileDocument, ProfileKind
from muniment.secrecy import Secret
from muniment.services.access.audit import Action, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.profiles.profile_document import document_of
from muniment.services.profiles.submit_profile import ProfileRequest, ProfileSummary, submit_profile
from muniment.services.resources import Resources


async def export_profile(principal: Principal, resources: Resources, name: str) -> ProfileDocument:
    """Return a profile without its secrets; NotFound if there is none with this name."""
    principal.require(Right.ARCHIVE, Right.MODIFY_PROFILES)
    async with resources.database.session() as session:
        profile = await profiles.find(session, name)
        return document_of(profile, await profiles.mailboxes(session, profile.id))


@audited(Action.PROFILE_SUBMITTED, "old.name")
async def edit_profile(
    principal: Principal,
    resources: Resources,
    old: ProfileDocument,
    new: ProfileDocument,
    *,
    password: Secret,
    csv: bytes | None,
) -> ProfileSummary:
    """Store the changed document; without a new password or CSV file, the stored password or rows are kept.

    Misconfigured if a value is invalid or conflicts with another one.
    """
    principal.require(Right.MODIFY_PROFILES)
    if (new.name, new.kind) != (old.name, old.kind):
        raise Misconfigured(
            "a profile keeps its name and its kind", hint="Export it, change the file, and import it as another one."
        )
    _check_csv(new, csv)
    if csv is None and new.mailboxes.csv != old.mailboxes.csv:
        raise Misconfigured("the mailboxes of a csv profile come from its file", hint="Give the new file with --csv.")
    request = ProfileRequest(new, password, csv)
    was_token, is_token = (_uses_token(document) for document in (old, new))
    if was_token != is_token and not password:
        raise Misconfigured(
            "a password is no access token, and the other way round", hint="Give the new one with --password-file."
        )
    return await submit_profile(principal, resources, request, change=True, keep=True)


@audited(Action.PROFILE_SUBMITTED, "document.name")
async def import_profile(
    principal: Principal,
    resources: Resources,
    document: ProfileDocument,
    *,
    password: Secret,
    csv: bytes | None,
) -> ProfileSummary:
    """Create a profile from a document; Conflict if its name is taken, Misconfigured if something is missing."""
    principal.require(Right.MODIFY_PROFILES)
    _check_csv(document, csv)
    return await submit_profile(principal, resources, ProfileRequest(document, password, csv))


def _check_csv(document: ProfileDocument, csv: bytes | None) -> None:
    if csv is not None and document.kind is not ProfileKind.CSV:
        raise Misconfigured(f"a {document.kind} profile takes no CSV file")


def _uses_token(document: ProfileDocument) -> bool:
    return document.login.method == LoginKind.XOAUTH2
