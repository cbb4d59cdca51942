"""Create, change, list and remove profiles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from msgspec import structs

from muniment.clock import utc_now
from muniment.db import profiles, users
from muniment.db.database import Session
from muniment.db.installation import Hold
from muniment.errors import Conflict, Misconfigured, NotFound
from muniment.model.folder_scope import EVERYTHING, USUAL
from muniment.model.login import LoginKind
from muniment.model.profile import Profile, ProfileDocument, ProfileKind
from muniment.model.proof import NO_PROOFS, Proofs
from muniment.sealing import SecretBox
from muniment.secrecy import Secret
from muniment.services.access import audit
from muniment.services.access.audit import Action, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.mailboxes.access_token import is_source
from muniment.services.mailboxes.credentials import mailbox_place, profile_place
from muniment.services.mailboxes.secret_box import current_box
from muniment.services.profiles.csv_mailboxes import CsvMailbox as CsvRow
from muniment.services.profiles.csv_mailboxes import read_csv
from muniment.services.profiles.profile_document import HINT, document_of, to_builtins
from muniment.services.resources import Resources

_SHOWN = 10

#: The user whose archive contains the collecting mailboxes, and so records how their messages were distributed.
COLLECTORS = "@multidrop"

#: How to give the password again, and in a csv profile (True) the passwords.
_AGAIN = {
    False: "Give it again in the same command, with --password-file FILE (or --token-file, --token-command).",
    True: "Give the file with the mailboxes and their passwords again in the same command: --csv FILE.",
}

#: The login methods that fit each kind of profile.
FITTING_LOGINS = {
    ProfileKind.MASTER: "master: plain-authzid, template:'{user}*{master}', x-masterauth or proxyauth.",
    ProfileKind.CSV: "csv: login.",
    ProfileKind.SINGLE: "single: login or xoauth2.",
    ProfileKind.MULTIDROP: "multidrop: login or xoauth2.",
}


@dataclass(frozen=True)
class _Target:
    """A mailbox that the profile names; `row`: its own login, in a csv profile."""

    user: str
    address: str
    row: CsvRow | None = None


@dataclass(frozen=True)
class ProfileRequest:
    """What an administrator submits.

    `password`: with XOAUTH2, the source of access tokens (`services.mailboxes.access_token`). `csv`: the content of the
    CSV file of a csv profile; the rows in the document itself are read-only.
    """

    document: ProfileDocument
    password: Secret = Secret("")  # noqa: RUF009 - a Secret is immutable
    csv: bytes | None = None


@dataclass(frozen=True)
class ProfileSummary:
    """A profile, the number of mailboxes that a run started now would have, and how complete they are known to be."""

    profile: Profile
    mailboxes: int
    proofs: Proofs = NO_PROOFS


@audited(Action.PROFILE_SUBMITTED, "request.document.name", details=("change",))
async def submit_profile(
    principal: Principal,
    resources: Resources,
    request: ProfileRequest,
    *,
    change: bool = False,
    keep: bool = False,
) -> ProfileSummary:
    """Store a profile with its mailboxes atomically, and record it in the audit log.

    `change` overwrites the profile with this name; with `keep`, a password or CSV file that the request lacks is kept.
    Creates users for unknown addresses and names. Misconfigured if the request is invalid, Conflict if the name is
    taken (or, with `change`, if the kind differs).
    """
    principal.require(Right.MODIFY_PROFILES)
    document = _checked(request, is_new=not keep)
    keeps_rows = keep and document.kind is ProfileKind.CSV and request.csv is None
    targets = None if keeps_rows else _targets(document, request.csv)
    due = document.schedule.after(utc_now())
    async with resources.database.transaction() as session:
        box = await current_box(session, resources.secrets, Hold.ACTIVE_KEY)
        await _check_users(session, document)
        await _check_collecting(session, document)
        before = await _document(session, document.name) if change else None
        if keep:
            await _check_binding(session, document, has_password=bool(request.password), has_rows=targets is not None)
        profile_id = await _store(session, document, due, change=change)
        if request.password or not keep:
            await _set_password(session, profile_id, document, request.password, box)
        if targets is not None:
            await _set_mailboxes(session, profile_id, document, targets, box)
        if document.kind is ProfileKind.MULTIDROP:
            await profiles.set_collecting(session, profile_id)
        after = await _document(session, document.name)
        action = Action.PROFILE_CHANGED if change else Action.PROFILE_ADDED
        await audit.act(session, principal, action, document.name, before=before, after=after)
        count = await profiles.count_mailboxes(session, profile_id)
    return ProfileSummary(Profile.of(document, id=profile_id, due=due), count)


async def _check_users(session: Session, document: ProfileDocument) -> None:
    """Refuse to exclude an unknown user: a typing error would archive someone who must not be archived."""
    unknown = await profiles.unknown_users(session, document.mailboxes.but_not)
    if unknown:
        raise Misconfigured(
            f"there is no user {', '.join(unknown[:_SHOWN])}{', …' if len(unknown) > _SHOWN else ''} to leave out",
            hint="`muniment user list` shows all users and their addresses.",
        )


async def _check_collecting(session: Session, document: ProfileDocument) -> None:
    """Refuse a collecting mailbox with a user's address: every message that names it would be filed for that user."""
    if document.kind is not ProfileKind.MULTIDROP:
        return
    own = [address for address in (document.user, document.mailboxes.address) if "@" in address]
    taken = await users.owners(session, own)
    if taken:
        raise Misconfigured(
            f"{min(taken)} is the address of a user, and the mailbox that collects everybody's mail must be nobody's",
            hint="Take the address from the user, or let the mail server deliver into another mailbox.",
        )


async def _document(session: Session, name: str) -> dict[str, object]:
    profile = await profiles.find(session, name)
    return to_builtins(document_of(profile, await profiles.mailboxes(session, profile.id)))


async def profile_exists(principal: Principal, resources: Resources, name: str) -> bool:
    """Return whether there is a profile with this name."""
    principal.require(Right.ARCHIVE, Right.MODIFY_PROFILES)
    async with resources.database.session() as session:
        try:
            await profiles.find(session, name)
        except NotFound:
            return False
    return True


async def summarize_profile(principal: Principal, resources: Resources, name: str) -> ProfileSummary:
    """Return one profile; NotFound if there is none with this name."""
    principal.require(Right.ARCHIVE, Right.MODIFY_PROFILES)
    async with resources.database.session() as session:
        return await _summary(session, await profiles.find(session, name))


async def list_profiles(principal: Principal, resources: Resources) -> list[ProfileSummary]:
    """Return all profiles, sorted by name."""
    principal.require(Right.ARCHIVE, Right.MODIFY_PROFILES)
    async with resources.database.session() as session:
        return [await _summary(session, profile) for profile in await profiles.list_all(session)]


@audited(Action.PROFILE_REMOVED, "name")
async def remove_profile(principal: Principal, resources: Resources, name: str) -> None:
    """Delete a profile but keep its archives and runs; Conflict while it is running."""
    principal.require(Right.MODIFY_PROFILES)
    async with resources.database.transaction() as session:
        profile = await profiles.find(session, name)
        await profiles.lock(session, profile.id)
        run_id = await profiles.open_run(session, profile.id)
        if run_id is not None:
            raise Conflict(
                f"profile {profile.name} is running (run {run_id})", hint=f"`muniment run cancel {run_id}` stops it."
            )
        await audit.act(session, principal, Action.PROFILE_REMOVED, profile.name, before=await _document(session, name))
        await profiles.remove(session, profile.id)


def _checked(request: ProfileRequest, *, is_new: bool) -> ProfileDocument:
    """Return the document as it will be stored; Misconfigured if its fields conflict."""
    document = _resolved(request.document)
    _check_numbers(document)
    if any(method.kind.is_privileged != (document.kind is ProfileKind.MASTER) for method in document.logins):
        raise Misconfigured(
            f"login method {document.login.method} does not fit a {document.kind} profile",
            hint=FITTING_LOGINS[document.kind],
        )
    _check_pop3(document)
    boxes = document.mailboxes
    if boxes.sync_directory and not boxes.all:
        raise Misconfigured("only a profile of all users can synchronise them with a directory")
    if boxes.but_not and not boxes.all:
        raise Misconfigured("only a profile of all users can leave some out", hint="Name the mailboxes without them.")
    if document.kind is not ProfileKind.CSV:
        _check_secret(document, request.password, is_new=is_new)
    elif document.login.method == LoginKind.XOAUTH2:
        raise Misconfigured("a csv profile has passwords, not access tokens", hint=FITTING_LOGINS[document.kind])
    return document


def _resolved(document: ProfileDocument) -> ProfileDocument:
    """Replace defaults that depend on other data with values, so that the stored document keeps its meaning."""
    is_master = document.kind is ProfileKind.MASTER
    return structs.replace(
        document,
        server=document.server.resolved(),
        login=structs.replace(document.login, identity=document.identity if is_master else None),
        mailboxes=structs.replace(document.mailboxes, all=document.mailboxes.all and is_master),
    )


def _check_numbers(document: ProfileDocument) -> None:
    server = document.server
    if server.timeout_seconds <= 0 or document.max_jobs < 1 or not 0 < server.port < 65536:
        raise Misconfigured("timeout_seconds, max_jobs and port must be above 0", hint=HINT)


def _check_secret(document: ProfileDocument, password: Secret, *, is_new: bool) -> None:
    login = document.logins[0].kind
    if not document.user and login is not LoginKind.X_MASTERAUTH:
        raise Misconfigured(f"a {document.kind} profile needs a user", hint="Give it with --user.")
    if is_new and not password:
        raise Misconfigured(f"a {document.kind} profile needs a password")
    if password and is_source(password) != (login is LoginKind.XOAUTH2):
        raise Misconfigured(
            "an access token comes from a file or a command, a password does not",
            hint="With xoauth2 give --token-file or --token-command, otherwise --password-file.",
        )


def _check_pop3(document: ProfileDocument) -> None:
    """Refuse what POP3 does not support: it has no folders, no flags and no login to another user's mailbox."""
    if not document.server.access.is_pop3:
        return
    if document.kind is ProfileKind.MASTER:
        raise Misconfigured("a privileged login needs IMAP", hint="Use --access imap…, or a csv profile.")
    if document.filter:
        raise Misconfigured("filters need IMAP: POP3 tells nothing of a message before it is fetched")
    if document.folders not in (USUAL, EVERYTHING):
        raise Misconfigured("folders need IMAP: POP3 knows only the inbox")


def _targets(document: ProfileDocument, csv: bytes | None) -> list[_Target]:
    boxes = document.mailboxes
    match document.kind:
        case ProfileKind.SINGLE:
            return [_Target(boxes.archive or document.user, boxes.address or document.user)]
        case ProfileKind.MULTIDROP:
            return [_Target(COLLECTORS, boxes.address or document.user)]
        case ProfileKind.MASTER:
            return [] if boxes.all else [_Target(address, address) for address in boxes.addresses]
        case ProfileKind.CSV:
            if csv is None:
                raise Misconfigured("a csv profile needs a CSV file", hint="Name it with --csv FILE.")
            return [_Target(row.user, row.address, row) for row in read_csv(csv)]


async def _store(session: Session, document: ProfileDocument, due: datetime | None, *, change: bool) -> int:
    if not change:
        return await profiles.add(session, document, due)
    old = await profiles.find(session, document.name)
    if old.kind is not document.kind:
        raise Conflict(f"profile {old.name} is a {old.kind} profile", hint="Remove it first, or choose another name.")
    await profiles.replace(session, old.id, document, due)
    return old.id


async def _check_binding(session: Session, document: ProfileDocument, *, has_password: bool, has_rows: bool) -> None:
    """Refuse to keep passwords whose server, port or protection changes: they were entered for the old ones."""
    old = await profiles.find(session, document.name)
    await profiles.lock(session, old.id)
    stored = await profiles.get(session, old.id)
    if stored.profile.server.binding == document.server.binding:
        return
    given, there = (has_rows, True) if document.kind is ProfileKind.CSV else (has_password, stored.sealed_password)
    if there and not given:
        raise Misconfigured(
            "the stored password is only for the server, port and protection that it was entered for",
            hint=_AGAIN[document.kind is ProfileKind.CSV],
        )


async def _set_password(
    session: Session, profile_id: int, document: ProfileDocument, password: Secret, box: SecretBox
) -> None:
    has_one = bool(password) and document.kind is not ProfileKind.CSV
    sealed = box.seal(password, profile_place(profile_id, document.server)) if has_one else b""
    await profiles.set_password(session, profile_id, sealed)


async def _set_mailboxes(
    session: Session, profile_id: int, document: ProfileDocument, targets: list[_Target], box: SecretBox
) -> None:
    """Find or create users and mailboxes; a master profile's mailbox belongs to the user with its address."""
    by_address = document.kind is ProfileKind.MASTER
    owners = await users.owners(session, [target.address for target in targets]) if by_address else {}
    missing = [target.user for target in targets if target.address not in owners]
    named = await users.ensure(session, missing)
    known = [(named[one.user], one.address) for one in targets if one.user in named and "@" in one.address]
    if COLLECTORS not in named:
        await users.give_addresses(session, known)
    owned = [(owners.get(target.address) or named[target.user], target.address) for target in targets]
    ids = await profiles.ensure_mailboxes(session, owned)
    rows = {ids[place]: target.row for place, target in zip(owned, targets, strict=True)}
    stored = [(mailbox, *_own_login(profile_id, mailbox, document, row, box)) for mailbox, row in rows.items()]
    await profiles.set_mailboxes(session, profile_id, stored)


def _own_login(
    profile_id: int, mailbox_id: int, document: ProfileDocument, row: CsvRow | None, box: SecretBox
) -> tuple[str | None, bytes | None, str]:
    """Return login name, sealed password and server of a row, for the database."""
    if row is None:
        return None, None, ""
    place = mailbox_place(profile_id, mailbox_id, row.login_user, document.server.at(row.server))
    return row.login_user, box.seal(row.password, place), row.server


async def _summary(session: Session, profile: Profile) -> ProfileSummary:
    count = await profiles.count_mailboxes(session, profile.id)
    return ProfileSummary(profile, count, await profiles.proofs(session, profile.id))
