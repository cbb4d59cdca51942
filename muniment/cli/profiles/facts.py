"""A profile as `muniment profile show` prints it: one line per field that is not trivial."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from muniment.cli.kit.output import local_time, number, plural
from muniment.cli.kit.proofs import proofs_text
from muniment.model.login import Identity
from muniment.model.profile import Profile, ProfileKind, ProfileSettings, Server
from muniment.services.profiles.submit_profile import ProfileSummary

_FOLDERS = {
    "include": "folders",
    "exclude": "excluded folders",
    "always_exclude": "always excluded",
    "namespaces": "namespaces",
    "sent": "sent folders",
}

#: Fields that have a line of their own in `_own_lines`, or a warning. All others get one from their names and values.
_OWN = {
    *(
        "name",
        "kind",
        "max_jobs",
        "allow_same_mailbox",
        "no_master_mailbox",
        "filter",
        "deletion",
        "schedule",
        "multidrop",
    ),
    *("server.host", "server.port", "server.access", "server.accept_all_certificates", "server.timeout_seconds"),
    *("server.ca_certificates", "server.certificate_sha256"),
    *("server.kind", "login.user", "login.method", "login.identity", "mailboxes.all", "mailboxes.but_not"),
    *(f"folders.{name}" for name in _FOLDERS),
}


def profile_facts(summary: ProfileSummary) -> list[tuple[str, str]]:
    """Return the name and the text of each line."""
    return [(name, text) for name, text in (*_own_lines(summary), *_other_lines(summary.profile)) if text]


def _own_lines(summary: ProfileSummary) -> list[tuple[str, str]]:
    found, server = summary.profile, summary.profile.server
    is_renamed = found.is_privileged and found.identity is not Identity.ADDRESS
    return [
        ("profile", found.name),
        ("kind", found.kind.value),
        ("server", f"{server.host}:{server.port}"),
        ("access", server.access.value),
        ("trusts", _trust(server)),
        ("server kind", found.server_kind.title),
        ("login", " or ".join(map(str, found.logins))),
        ("user", _user(found)),
        ("mailboxes", plural(summary.mailboxes, "mailbox") + _everybody(found)),
        *_folder_lines(found),
        *_rule_lines(found),
        ("proofs", proofs_text(summary.proofs) if summary.proofs.mailboxes else ""),
        ("next run", local_time(found.due) if found.due else "manual"),
        ("max. jobs", number(found.max_jobs)),
        ("timeout", f"{server.timeout_seconds:g} s"),
        ("mailbox names", f"by {found.identity}" if is_renamed else ""),
        ("same mailbox", "allowed under two names" if found.allow_same_mailbox else ""),
        ("master mailbox", f"{found.user} has none" if found.no_master_mailbox else ""),
    ]


def _trust(server: Server) -> str:
    if server.certificate_sha256:
        return f"only the certificate with the SHA-256 fingerprint {server.certificate_sha256}"
    authorities = server.ca_certificates.count("BEGIN CERTIFICATE")
    return f"only {plural(authorities, 'CA certificate')} of its own" if authorities else ""


def _user(found: Profile) -> str:
    if found.kind is ProfileKind.CSV:
        return "from the CSV file"
    return f"{found.user} (password stored encrypted)".strip()


def _everybody(found: Profile) -> str:
    if not found.all_mailboxes:
        return ""
    left_out = f" except {', '.join(found.except_users)}" if found.except_users else ""
    return f" (primary address of every user{left_out})"


def _folder_lines(found: Profile) -> Iterator[tuple[str, str]]:
    lists: dict[str, list[str]] = msgspec.to_builtins(found.folders, order="deterministic")
    for name, label in _FOLDERS.items():
        yield label, ", ".join(lists[name]) or ("all" if name == "include" else "")


def _rule_lines(found: Profile) -> Iterator[tuple[str, str]]:
    yield "filter", _rule_text(found.filter)
    yield "deletion on server", _rule_text(found.deletion) if found.deletion else ""
    if found.kind is ProfileKind.MULTIDROP:
        yield "distribution", _rule_text(found.multidrop) or "by the default headers"
    schedule = found.schedule
    yield "schedule", f"{schedule.run} ({schedule.zone})" if schedule.run else ""
    yield "windows", f"{', '.join(schedule.windows)} ({schedule.zone})" if schedule.windows else ""


def _rule_text(rule: msgspec.Struct) -> str:
    """Format the fields of a rule that differ from their defaults: `older than 2 years; sender @example.com`."""
    values: dict[str, object] = msgspec.to_builtins(rule)
    return "; ".join(f"{_words(name)} {_listed(value)}" for name, value in values.items())


def _other_lines(found: Profile) -> Iterator[tuple[str, str]]:
    """Yield a line for every other field whose value differs from the default."""
    yield from _differences(found, ProfileSettings, "")


def _differences(struct: msgspec.Struct, kind: type[msgspec.Struct], prefix: str) -> Iterator[tuple[str, str]]:
    for field in msgspec.structs.fields(kind):
        path, value = f"{prefix}{field.name}", getattr(struct, field.name)
        if path in _OWN or value == field.default:
            continue
        if isinstance(value, msgspec.Struct):
            yield from _differences(value, type(value), f"{path}.")
        else:
            yield _words(path), _text(msgspec.to_builtins(value, order="deterministic"))


def _words(name: str) -> str:
    return name.replace(".", " ").replace("_", " ")


def _text(value: object) -> str:
    return ("yes" if value else "no") if isinstance(value, bool) else _listed(value)


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
