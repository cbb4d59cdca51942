"""Profiles and the mailboxes that they name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from muniment.db.database import Session
from muniment.db.sql import load
from muniment.errors import Conflict, Misconfigured, NotFound
from muniment.model.login import OwnLogin
from muniment.model.profile import MailboxScope, Profile, ProfileSettings, shared_fields
from muniment.model.profile_versions import SCHEMA_VERSION, upgraded
from muniment.model.proof import Proofs
from muniment.model.schedule import Schedule

_SQL = load("profiles")

_UNREADABLE = "Another version of Muniment wrote it; use the newest version that runs with this database."


@dataclass(frozen=True)
class ProfileMailbox:
    """A mailbox of a profile; in csv profiles, each mailbox has its own login."""

    mailbox_id: int
    address: str
    user_name: str
    login_user: str | None
    password: bytes | None = field(repr=False)
    server: str = ""

    @property
    def own_login(self) -> OwnLogin | None:
        """The mailbox's own login, if it has one."""
        return None if self.login_user is None else OwnLogin(self.login_user, self.password or b"", self.server)


@dataclass(frozen=True)
class NamedMailbox:
    """A mailbox that a profile names, without its password."""

    user_name: str
    address: str
    login_user: str | None
    server: str


@dataclass(frozen=True)
class StoredProfile:
    """A profile with its sealed password, which is empty for csv profiles."""

    profile: Profile
    sealed_password: bytes = field(repr=False)


@dataclass(frozen=True)
class SealedMailbox:
    """The password of one mailbox of a csv profile."""

    profile_id: int
    mailbox_id: int
    address: str
    login_user: str
    password: bytes = field(repr=False)
    server: str = ""


@dataclass(frozen=True)
class _Row:
    id: int
    name: str
    kind: str
    document: dict[str, object]
    schema_version: int
    due: datetime | None
    schedule_error: str

    def profile(self) -> Profile:
        own = {"id": self.id, "name": self.name, "kind": self.kind}
        times = {"due": self.due, "schedule_error": self.schedule_error}
        try:
            return msgspec.convert({**upgraded(self.document, self.schema_version), **own, **times}, Profile)
        except (msgspec.ValidationError, Misconfigured) as error:
            hint = error.hint if isinstance(error, Misconfigured) else _UNREADABLE
            raise Misconfigured(f"profile {self.name}: {error}", hint=hint) from error


@dataclass(frozen=True)
class SealedProfile(_Row):
    """A profile's row with its sealed password."""

    password: bytes = field(repr=False)

    def stored(self) -> StoredProfile:
        """Return the profile; Misconfigured if this version cannot read it."""
        return StoredProfile(self.profile(), self.password)


@dataclass(frozen=True)
class DueProfile:
    """A profile whose scheduled run is due; `now`: PostgreSQL's time."""

    id: int
    name: str
    schedule: Schedule
    now: datetime


@dataclass(frozen=True)
class _DueRow:
    id: int
    name: str
    schedule: dict[str, object]
    now: datetime

    def due(self) -> DueProfile:
        return DueProfile(self.id, self.name, msgspec.convert(self.schedule, Schedule), self.now)


@dataclass(frozen=True)
class _MailboxId:
    user_id: int
    address: str
    id: int


async def add(session: Session, settings: ProfileSettings, due: datetime | None) -> int:
    """Store a profile, still without its password, and return its id; Conflict if the name is taken."""
    values = (stored_form(settings), SCHEMA_VERSION, due)
    try:
        profile_id: int = await session.value(_SQL["add"], settings.name, settings.kind.value, *values)
    except Conflict as error:
        raise Conflict(
            f"profile {settings.name} exists already", hint="Use --replace to change it, or choose another name."
        ) from error
    return profile_id


async def replace(session: Session, profile_id: int, settings: ProfileSettings, due: datetime | None) -> None:
    """Overwrite a profile except its name, its kind and its password.

    `due` applies only if the schedule changes; an unchanged schedule keeps its next run.
    """
    await session.execute(_SQL["replace"], profile_id, stored_form(settings), SCHEMA_VERSION, due)


async def set_password(session: Session, profile_id: int, sealed: bytes) -> None:
    """Store the sealed password of a profile; empty: it has none."""
    await session.execute(_SQL["set_password"], profile_id, sealed)


async def set_mailbox_password(session: Session, profile_id: int, mailbox_id: int, sealed: bytes) -> None:
    """Store the sealed password of a mailbox of a csv profile."""
    await session.execute(_SQL["set_mailbox_password"], profile_id, mailbox_id, sealed)


def stored_form(settings: ProfileSettings) -> dict[str, object]:
    """Return the content of the column `document`: the fields that have no column or table of their own."""
    values: dict[str, object] = msgspec.to_builtins(settings, order="deterministic")
    values["mailboxes"] = msgspec.to_builtins(MailboxScope(**shared_fields(settings.mailboxes, MailboxScope)))
    return {name: values[name] for name in ProfileSettings.__struct_fields__ if name not in {"name", "kind"}}


async def find(session: Session, name: str) -> Profile:
    """Return the profile with this name; NotFound if there is none."""
    row = await session.row(_Row, _SQL["find"], name)
    if row is None:
        raise NotFound(f"there is no profile {name}", hint="`muniment profile list` shows all profiles.")
    return row.profile()


async def get(session: Session, profile_id: int) -> StoredProfile:
    """Return the profile with this id and its password; NotFound if there is none."""
    row = await session.row(SealedProfile, _SQL["get"], profile_id)
    if row is None:
        raise NotFound("the profile was removed")
    return row.stored()


async def sealed_otherwise(session: Session, after: int, header: bytes, limit: int) -> list[SealedProfile]:
    """Lock and return the next profiles, by id, whose password begins with another header; requires a transaction."""
    return await session.rows(SealedProfile, _SQL["sealed_otherwise"], after, header, limit)


async def mailboxes_sealed_otherwise(
    session: Session, after: tuple[int, int], header: bytes, limit: int
) -> list[SealedMailbox]:
    """Lock and return the next mailboxes, by both ids, whose password begins with another header."""
    return await session.rows(SealedMailbox, _SQL["mailboxes_sealed_otherwise"], *after, header, limit)


async def list_all(session: Session) -> list[Profile]:
    """Return all profiles, sorted by name."""
    return [row.profile() for row in await session.rows(_Row, _SQL["list_all"])]


async def open_run(session: Session, profile_id: int) -> int | None:
    """Return the id of the profile's run in progress, if it has one."""
    run_id: int | None = await session.value(_SQL["open_run"], profile_id)
    return run_id


async def due(session: Session) -> list[DueProfile]:
    """Return the profiles whose scheduled run is due, with the longest overdue first."""
    return [row.due() for row in await session.rows(_DueRow, _SQL["due"])]


async def claim_due(session: Session, profile_id: int) -> bool:
    """Claim a due profile until the transaction ends; False if another scheduler has already started it."""
    return await session.value(_SQL["claim_due"], profile_id) is not None


async def set_due(session: Session, profile_id: int, due: datetime | None, error: str = "") -> None:
    """Set the next scheduled run of a profile (None: no more), and why the last one did not start."""
    await session.execute(_SQL["set_due"], profile_id, due, error)


async def lock(session: Session, profile_id: int) -> None:
    """Prevent others from starting a run of the profile until the transaction ends."""
    await session.execute(_SQL["lock"], profile_id)


async def remove(session: Session, profile_id: int) -> None:
    """Delete a profile but keep its runs and everything archived."""
    await session.execute(_SQL["remove"], profile_id)


async def proofs(session: Session, profile_id: int) -> Proofs:
    """Return how many mailboxes of a profile are proven complete, and by what."""
    row = await session.row(Proofs, _SQL["proofs"], profile_id)
    if row is None:  # an aggregate always returns a row
        raise AssertionError
    return row


async def count_mailboxes(session: Session, profile_id: int) -> int:
    """Return how many mailboxes a run of the profile would have if it started now."""
    count: int = await session.value(_SQL["count_mailboxes"], profile_id)
    return count


async def ensure_mailboxes(session: Session, owners: Sequence[tuple[int, str]]) -> dict[tuple[int, str], int]:
    """Return the mailbox id for each (user id, address) as given; creates missing mailboxes."""
    users, addresses = [user for user, _ in owners], [address for _, address in owners]
    await session.execute(_SQL["ensure_mailboxes"], users, addresses)
    rows = await session.rows(_MailboxId, _SQL["mailbox_ids"], users, addresses)
    return {(row.user_id, row.address): row.id for row in rows}


async def set_mailboxes(
    session: Session, profile_id: int, mailboxes: Sequence[tuple[int, str | None, bytes | None, str]]
) -> None:
    """Replace the mailboxes of a profile: (mailbox id, login name, sealed password, own server or empty)."""
    await session.execute(_SQL["clear_mailboxes"], profile_id)
    columns = ("profile_id", "mailbox_id", "login_user", "password", "server")
    await session.copy("profile_mailboxes", columns, [(profile_id, *mailbox) for mailbox in mailboxes])


async def set_collecting(session: Session, profile_id: int) -> None:
    """Mark the mailboxes of a profile as collecting mailboxes, which hold the mail of many users."""
    await session.execute(_SQL["set_collecting"], profile_id)


async def unknown_users(session: Session, names: Sequence[str]) -> list[str]:
    """Return those of `names` (names or addresses, in lower case) that belong to no user."""
    return await session.values(_SQL["unknown_users"], list(names))


async def mailboxes(session: Session, profile_id: int) -> list[NamedMailbox]:
    """Return the mailboxes that a profile names, sorted by address; empty if it archives those of all users."""
    return await session.rows(NamedMailbox, _SQL["mailboxes"], profile_id)


async def test_mailboxes(session: Session, profile: Profile) -> list[ProfileMailbox]:
    """Return all mailboxes that a run of the profile would have if it started now, sorted by address."""
    return await session.rows(ProfileMailbox, _SQL["all_mailboxes"], profile.id)


async def test_mailbox(session: Session, profile: Profile, address: str | None) -> ProfileMailbox:
    """Return the mailbox for testing the profile: the given one, or else the first; NotFound if there is none."""
    if profile.all_mailboxes:
        mailbox = await session.row(ProfileMailbox, _SQL["first_primary_address"], profile.id, address)
    else:
        mailbox = await session.row(ProfileMailbox, _SQL["first_mailbox"], profile.id, address)
    if mailbox is None:
        raise NotFound(
            f"profile {profile.name} has no mailbox {address}" if address else f"profile {profile.name} has no mailbox",
            hint="Add users with addresses (`muniment user add`) or name mailboxes with --mailboxes.",
        )
    return mailbox
