"""Create, change, list and remove profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from muniment.clock import utc_now
from muniment.db import profiles, users
from muniment.db.database import Session
from muniment.errors import Conflict, Misconfigured, NotFound
from muniment.model.deletion_rule import NO_DELETION, DeletionRule
from muniment.model.folder_scope import EVERYTHING, USUAL, FolderScope
from muniment.model.login import Identity, LoginKind, LoginMethod
from muniment.model.mail_filter import EVERY_MESSAGE, MailFilter
from muniment.model.multidrop import USUAL_MULTIDROP, Multidrop
from muniment.model.profile import Profile, ProfileKind, Server
from muniment.model.schedule import BY_HAND, Schedule
from muniment.model.server_kind import GENERIC, ServerKind
from muniment.secrecy import Secret, SecretBox
from muniment.services.access import audit
from muniment.services.access.audit import Action
from muniment.services.access.principal import Principal, Right
from muniment.services.mailboxes.access_token import is_source
from muniment.services.mailboxes.credentials import MAILBOX_PASSWORD, PROFILE_PASSWORD
from muniment.services.profiles.csv_mailboxes import read_csv
from muniment.services.profiles.profile_document import document_of, to_builtins
from muniment.services.resources import Resources

_SHOWN = 10

#: The user whose archive holds collecting mailboxes: what was given to whom.
COLLECTORS = "@multidrop"

#: What `login` may be for each kind of profile.
FITTING_LOGINS = {
    ProfileKind.MASTER: "master: plain-authzid, template:'{user}*{master}', x-masterauth or proxyauth.",
    ProfileKind.CSV: "csv: login.",
    ProfileKind.SINGLE: "single: login or xoauth2.",
    ProfileKind.MULTIDROP: "multidrop: login or xoauth2.",
}

#: (user name, mailbox address, login name, sealed password, server)
_Target = tuple[str, str, str | None, bytes | None, str]


@dataclass(frozen=True)
class ProfileRequest:
    """What an administrator submits.

    `login` None: the first way of the server's kind that the server offers. `password`: with XOAUTH2 the source of
    access tokens (`services.access_token`). `identity` None: that of the server's kind.
    `mailboxes`: addresses for a master profile, None = every user with an address, but for `except_users` (names or
    addresses).
    `csv`: the file's bytes for a csv profile. `archive`: the target user of a single profile
    (default: named like the login); `address`: the name of its root folder (default: the login).
    """

    name: str
    kind: ProfileKind
    server: Server
    login: LoginMethod | None = None
    user: str = ""
    password: Secret = Secret("")  # noqa: RUF009 - a Secret never changes
    mailboxes: list[str] | None = None
    csv: bytes | None = None
    archive: str | None = None
    address: str | None = None
    max_jobs: int = 10
    allow_same_mailbox: bool = False
    no_master_mailbox: bool = False
    server_kind: ServerKind = GENERIC
    identity: Identity | None = None
    folders: FolderScope = USUAL
    except_users: Sequence[str] = ()
    sync_directory: bool = False
    filter: MailFilter = EVERY_MESSAGE
    deletion: DeletionRule = NO_DELETION
    schedule: Schedule = BY_HAND
    multidrop: Multidrop = USUAL_MULTIDROP


@dataclass(frozen=True)
class ProfileSummary:
    """A profile and how many mailboxes a run of it would have now."""

    profile: Profile
    mailboxes: int


async def submit_profile(
    principal: Principal,
    resources: Resources,
    request: ProfileRequest,
    *,
    change: bool = False,
    keep: bool = False,
) -> ProfileSummary:
    """Store a profile with its mailboxes, all or nothing, and record it in the audit log.

    `change` overwrites the one of this name; with `keep` what the request lacks, a password or a CSV file, stays.
    Users are created for unknown addresses and names. Misconfigured says what is wrong with
    the request, Conflict that the name is taken (or, with `change`, that the kind differs).
    """
    principal.require(Right.MODIFY_PROFILES)
    targets = (
        None
        if keep and request.kind is ProfileKind.CSV and request.csv is None
        else _targets(request, resources.secrets)
    )
    profile = _profile(request, is_new=not keep)
    missing = None if keep else b""
    sealed = resources.secrets.seal(request.password, purpose=PROFILE_PASSWORD) if request.password else missing
    async with resources.database.transaction() as session:
        await _check_users(session, profile)
        await _check_collecting(session, request)
        before = await _document(session, profile.name) if change else None
        profile_id = await _store(session, profile, sealed, change=change)
        if targets is not None:
            await _set_mailboxes(session, profile_id, targets, by_address=request.kind is ProfileKind.MASTER)
        if request.kind is ProfileKind.MULTIDROP:
            await profiles.set_collecting(session, profile_id)
        after = await _document(session, profile.name)
        action = Action.PROFILE_CHANGED if change else Action.PROFILE_ADDED
        await audit.act(session, principal, action, profile.name, before=before, after=after)
        count = await profiles.count_mailboxes(session, profile_id)
    return ProfileSummary(replace(profile, id=profile_id), count)


async def _check_users(session: Session, profile: Profile) -> None:
    """Refuse to leave out who is not there: a typing mistake would archive somebody who must not be."""
    unknown = await profiles.unknown_users(session, profile.except_users)
    if unknown:
        raise Misconfigured(
            f"there is no user {', '.join(unknown[:_SHOWN])}{', …' if len(unknown) > _SHOWN else ''} to leave out",
            hint="`muniment user list` shows all users and their addresses.",
        )


async def _check_collecting(session: Session, request: ProfileRequest) -> None:
    """Refuse a collecting mailbox that is somebody's: whatever names it would be taken for his mail."""
    if request.kind is not ProfileKind.MULTIDROP:
        return
    own = [address for address in (request.user, request.address) if address and "@" in address]
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
    """Tell whether there is a profile of this name."""
    principal.require(Right.ARCHIVE, Right.MODIFY_PROFILES)
    async with resources.database.session() as session:
        try:
            await profiles.find(session, name)
        except NotFound:
            return False
    return True


async def summarize_profile(principal: Principal, resources: Resources, name: str) -> ProfileSummary:
    """Return one profile; NotFound when there is none of this name."""
    principal.require(Right.ARCHIVE, Right.MODIFY_PROFILES)
    async with resources.database.session() as session:
        return await _summary(session, await profiles.find(session, name))


async def list_profiles(principal: Principal, resources: Resources) -> list[ProfileSummary]:
    """Return every profile, by name."""
    principal.require(Right.ARCHIVE, Right.MODIFY_PROFILES)
    async with resources.database.session() as session:
        return [await _summary(session, profile) for profile in await profiles.list_all(session)]


async def remove_profile(principal: Principal, resources: Resources, name: str) -> None:
    """Delete a profile; archives and runs stay. Conflict while it runs."""
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


def _profile(request: ProfileRequest, *, is_new: bool) -> Profile:
    profile = _unchecked(request)
    if any(method.kind.is_privileged != (request.kind is ProfileKind.MASTER) for method in profile.logins):
        raise Misconfigured(
            f"login method {request.login} does not fit a {request.kind} profile", hint=FITTING_LOGINS[request.kind]
        )
    _check_pop3(profile)
    if profile.sync_directory and not profile.all_mailboxes:
        raise Misconfigured("only a profile of all users can synchronise them with a directory")
    if profile.except_users and not profile.all_mailboxes:
        raise Misconfigured("only a profile of all users can leave some out", hint="Name the mailboxes without them.")
    if request.kind is not ProfileKind.CSV:
        if not request.user and profile.logins[0].kind is not LoginKind.X_MASTERAUTH:
            raise Misconfigured(f"a {request.kind} profile needs a user", hint="Name him with --user.")
        if is_new and not request.password:
            raise Misconfigured(f"a {request.kind} profile needs a password")
        if request.password and is_source(request.password) != (profile.logins[0].kind is LoginKind.XOAUTH2):
            raise Misconfigured(
                "an access token comes from a file or a command, a password does not",
                hint="With xoauth2 give --token-file or --token-command, else --password-file.",
            )
    elif request.login is not None and request.login.kind is LoginKind.XOAUTH2:
        raise Misconfigured("a csv profile has passwords, not access tokens", hint=FITTING_LOGINS[request.kind])
    return profile


def _check_pop3(profile: Profile) -> None:
    """Refuse what POP3 cannot do: it has no folders, no flags, and no login for somebody else."""
    if not profile.server.access.is_pop3:
        return
    if profile.kind is ProfileKind.MASTER:
        raise Misconfigured("a privileged login needs IMAP", hint="Use --access imap…, or a csv profile.")
    if profile.filter:
        raise Misconfigured("filters need IMAP: POP3 tells nothing of a message before it is fetched")
    if profile.folders not in (USUAL, EVERYTHING):
        raise Misconfigured("folders need IMAP: POP3 knows only the inbox")


def _unchecked(request: ProfileRequest) -> Profile:
    return Profile(
        id=0,
        name=request.name,
        kind=request.kind,
        server=request.server,
        login=request.login,
        user=request.user,
        all_mailboxes=request.kind is ProfileKind.MASTER and request.mailboxes is None,
        max_jobs=request.max_jobs,
        allow_same_mailbox=request.allow_same_mailbox,
        no_master_mailbox=request.no_master_mailbox,
        server_kind=request.server_kind,
        identity=request.identity or request.server_kind.identity,
        folders=request.folders,
        except_users=tuple(sorted({name.lower() for name in request.except_users})),
        sync_directory=request.sync_directory,
        filter=request.filter,
        deletion=request.deletion,
        schedule=request.schedule,
        multidrop=request.multidrop,
        due=request.schedule.after(utc_now()),
    )


def _targets(request: ProfileRequest, secrets: SecretBox) -> list[_Target]:
    match request.kind:
        case ProfileKind.SINGLE:
            return [(request.archive or request.user, request.address or request.user, None, None, "")]
        case ProfileKind.MULTIDROP:
            return [(COLLECTORS, request.address or request.user, None, None, "")]
        case ProfileKind.MASTER:
            return [(address, address, None, None, "") for address in request.mailboxes or []]
        case ProfileKind.CSV:
            if request.csv is None:
                raise Misconfigured("a csv profile needs a CSV file", hint="Name it with --csv FILE.")
            return [
                (
                    row.user,
                    row.address,
                    row.login_user,
                    secrets.seal(row.password, purpose=MAILBOX_PASSWORD),
                    row.server,
                )
                for row in read_csv(request.csv)
            ]


async def _store(session: Session, profile: Profile, sealed: bytes | None, *, change: bool) -> int:
    if not change:
        return await profiles.add(session, profile, sealed or b"")
    old = await profiles.find(session, profile.name)
    if old.kind is not profile.kind:
        raise Conflict(f"profile {old.name} is a {old.kind} profile", hint="Remove it first, or choose another name.")
    await profiles.replace(session, replace(profile, id=old.id), sealed)
    return old.id


async def _set_mailboxes(session: Session, profile_id: int, targets: list[_Target], *, by_address: bool) -> None:
    """Find or create users and mailboxes; a master profile's mailbox belongs to whoever has its address."""
    owners = await users.owners(session, [address for _, address, *_ in targets]) if by_address else {}
    missing = [name for name, address, *_ in targets if address not in owners]
    named = await users.ensure(session, missing)
    if by_address:
        await users.give_address(session, list(named.values()))
    owned = [(owners.get(address) or named[name], address) for name, address, *_ in targets]
    ids = await profiles.ensure_mailboxes(session, owned)
    logins = {
        ids[user, address]: (login, sealed, server)
        for (user, address), (_, _, login, sealed, server) in zip(owned, targets, strict=True)
    }
    await profiles.set_mailboxes(session, profile_id, [(mailbox, *login) for mailbox, login in logins.items()])


async def _summary(session: Session, profile: Profile) -> ProfileSummary:
    return ProfileSummary(profile, await profiles.count_mailboxes(session, profile.id))
