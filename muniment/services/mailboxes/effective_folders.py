"""Decide which folders of a mailbox a profile archives, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from muniment.model.folder import ServerFolder
from muniment.model.folder_names import SPECIAL_USE, role_of_name
from muniment.model.folder_scope import FolderPattern, FolderRole, FolderScope, Namespace
from muniment.model.server_kind import ServerKind
from muniment.services.mailboxes.gmail import is_all_mail, is_view

_WHOSE = {Namespace.OTHER_USERS: "it is another user's", Namespace.SHARED: "it is shared"}


@dataclass(frozen=True)
class EffectiveFolder:
    """A folder on the server, whether it is archived, and why."""

    folder: ServerFolder
    is_archived: bool
    reason: str


def effective_folders(listed: Sequence[ServerFolder], scope: FolderScope, kind: ServerKind) -> list[EffectiveFolder]:
    """Decide for each folder. Exclusion beats inclusion; a role reaches down to all subfolders."""
    roles = _roles(listed)
    decided = [EffectiveFolder(folder, *_decide(folder, scope, kind, roles)) for folder in listed]
    all_mail = next((each.folder for each in decided if each.is_archived and is_all_mail(each.folder)), None)
    if all_mail is None or not kind.has_label_views:
        return decided
    return [_without_view(each, all_mail) for each in decided]


def _without_view(decision: EffectiveFolder, all_mail: ServerFolder) -> EffectiveFolder:
    """Leave out a folder whose messages are archived with *All Mail*."""
    if not decision.is_archived or not is_view(decision.folder):
        return decision
    return replace(decision, is_archived=False, reason=f"a view: its messages are archived with {_path(all_mail)}")


def unused_patterns(listed: Sequence[ServerFolder], scope: FolderScope) -> list[FolderPattern]:
    """Return the patterns of a scope that match no folder; they may be typing mistakes."""
    paths = [_path(folder) for folder in listed]
    return [p for p in (*scope.included, *scope.excluded) if not any(p.matches(path) for path in paths)]


def _decide(
    folder: ServerFolder, scope: FolderScope, kind: ServerKind, roles: dict[tuple[str, ...], tuple[FolderRole, str]]
) -> tuple[bool, str]:
    namespace = _namespace(folder, kind)
    if namespace not in scope.namespaces:
        return False, _WHOSE.get(namespace, "it is the user's own")
    for above in _ancestry(folder.path):
        role, source = roles.get(above, (None, ""))
        if role in scope.always_exclude:
            below = "" if above == folder.path else f", below {'/'.join(above)}"
            return False, f"{role} ({source}){below}"
    path = _path(folder)
    for pattern in scope.excluded:
        if pattern.matches(path):
            return False, f"excluded by {pattern.text}"
    if not scope.include:
        role, source = roles.get(folder.path, (None, ""))
        return True, f"{role} ({source}), which is archived" if role else "nothing excludes it"
    for pattern in scope.included:
        if pattern.matches(path):
            return True, f"included by {pattern.text}"
    return False, "nothing includes it"


def _roles(listed: Sequence[ServerFolder]) -> dict[tuple[str, ...], tuple[FolderRole, str]]:
    """Return the folders that have a role, and the source of that knowledge.

    SPECIAL-USE attributes of the server take precedence. A name gives a folder a role only if the server marks no
    folder with that role, and only at the top level or directly below INBOX: Projects/Trash may hold anything.
    """
    found: dict[tuple[str, ...], tuple[FolderRole, str]] = {}
    for folder in listed:
        for attribute in folder.attributes:
            role = SPECIAL_USE.get(attribute.lower())
            if role is not None:
                found[folder.path] = (role, f"the server marks it {attribute}")
    marked = {role for role, _ in found.values()}
    for folder in listed:
        role = role_of_name(folder.path[-1])
        if role is not None and role not in marked and folder.path not in found and _is_high(folder):
            found[folder.path] = (role, "by its name")
    return found


def _is_high(folder: ServerFolder) -> bool:
    above = folder.path[:-1]
    return above in {(), ("INBOX",), folder.root}


def _namespace(folder: ServerFolder, kind: ServerKind) -> Namespace:
    if folder.path[0] in kind.other_users_roots:
        return Namespace.OTHER_USERS
    if folder.path[0] in kind.shared_roots:
        return Namespace.SHARED
    return folder.namespace


def _ancestry(path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for length in range(1, len(path) + 1):
        yield path[:length]


def _path(folder: ServerFolder) -> str:
    return "/".join(folder.path)
