"""JSON of profiles."""

from __future__ import annotations

import msgspec

from muniment.services.profiles.profile_document import (
    ProfileDocument,
    to_builtins,
)
from muniment.services.profiles.submit_profile import ProfileSummary
from muniment.shapes.values import utc


def profile_shape(summary: ProfileSummary) -> dict[str, object]:
    """`id`, `name`, `kind`, `host`, `port`, `access`, `accept_all_certificates`, `timeout_seconds`, `server_kind`,
    `logins[]` (in the order in which they are tried), `identity` (null without a privileged login), `user` (null for
    csv), `all_mailboxes`, `except_users[]`, `sync_directory`, `mailboxes` (number of mailboxes),
    `folders{include[], exclude[], always_exclude[], namespaces[], sent[]}`, `max_jobs`, `allow_same_mailbox`,
    `no_master_mailbox`, `filter{…}`, `deletion{…}`, `schedule{…}` and `multidrop{…}` as in `profile export` (without
    fields that have their default value), `due` (next scheduled run, or null), `warnings[]`.
    """
    profile, server = summary.profile, summary.profile.server
    return {
        "id": profile.id,
        "name": profile.name,
        "kind": profile.kind.value,
        "host": server.host,
        "port": server.port,
        "access": server.access.value,
        "accept_all_certificates": server.accept_all_certificates,
        "timeout_seconds": server.timeout_seconds,
        "server_kind": profile.server_kind.name,
        "logins": [str(method) for method in profile.logins],
        "identity": profile.identity.value if profile.is_privileged else None,
        "user": profile.user or None,
        "all_mailboxes": profile.all_mailboxes,
        "except_users": list(profile.except_users),
        "sync_directory": profile.sync_directory,
        "mailboxes": summary.mailboxes,
        "folders": profile.folders.lists(),
        "max_jobs": profile.max_jobs,
        "allow_same_mailbox": profile.allow_same_mailbox,
        "no_master_mailbox": profile.no_master_mailbox,
        "filter": msgspec.to_builtins(profile.filter),
        "deletion": msgspec.to_builtins(profile.deletion),
        "due": utc(profile.due),
        "schedule": msgspec.to_builtins(profile.schedule),
        "multidrop": msgspec.to_builtins(profile.multidrop),
        "warnings": profile.warnings,
    }


def removed_shape(name: str) -> dict[str, object]:
    """`profile` (its name), `removed` (true)."""
    return {"profile": name, "removed": True}


def export_shape(document: ProfileDocument) -> dict[str, object]:
    """`name`, `kind`, `max_jobs`, `allow_same_mailbox`, `no_master_mailbox`, `server{host, kind, port, access,
    accept_all_certificates, timeout_seconds}`, `login{user, method, identity}`, `folders{include[], exclude[],
    always_exclude[], namespaces[], sent[]}`, `mailboxes{all, but_not[], sync_directory, addresses[], archive, address,
    csv[{user, address, login, server}]}`, `filter{older_than, newer_than, since, before, read, larger_than, smaller_than,
    sender[], recipient[], subject[]}`, `deletion{after, flagged, without_uidplus}`, `schedule{run, zone, windows[]}`,
    `multidrop{recipients[], senders[], journal, inbox, sent, unknown, catch_all, catch_all_folder}` (without fields that
    are empty or have their default value).
    """
    return to_builtins(document)
