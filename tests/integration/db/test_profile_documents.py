"""Profiles in the database: one document, which the columns of before become and, for a while, follow."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from muniment.db import migrate as migrate_module
from muniment.db import profiles
from muniment.db.database import Database
from muniment.db.migrate import migrate, migrations
from muniment.embedded.postgres import OWNER, EmbeddedPostgres
from muniment.errors import Misconfigured
from muniment.model.deletion_rule import DeletionRule
from muniment.model.folder_scope import EVERYTHING, FolderRole, FolderScope, Namespace
from muniment.model.login import Identity
from muniment.model.mail_filter import MailFilter, ReadState
from muniment.model.multidrop import Multidrop, Unknown
from muniment.model.profile import Access, Login, MailboxScope, Profile, ProfileKind, Server
from muniment.model.schedule import Schedule
from muniment.secrecy import Secret
from tests.support.profile_fields import FIELDS, NAMED, changed
from tests.support.services import fresh_database

_DOCUMENTS = 16  # the migration that makes documents of columns
_DUE = datetime(2031, 5, 6, 7, 8, tzinfo=UTC)

#: How the version before writes profiles.
_OLD_COLUMNS = (
    *("name", "kind", "host", "port", "access", "accept_all_certificates", "timeout_seconds", "login", "login_user"),
    *("password", "all_mailboxes", "max_jobs", "allow_same_mailbox", "no_master_mailbox", "server_kind", "identity"),
    *("folders", "except_users", "filter", "deletion", "schedule", "multidrop", "due", "sync_directory"),
)
_OLD_INSERT: Any = (
    f"INSERT INTO profiles ({', '.join(_OLD_COLUMNS)}) "  # noqa: S608 - constants
    f"VALUES ({', '.join(f'${n}' for n in range(1, len(_OLD_COLUMNS) + 1))})"
)
_OLD_SELECT: Any = f"SELECT to_jsonb(p) FROM (SELECT {', '.join(_OLD_COLUMNS)} FROM profiles) AS p ORDER BY name"  # noqa: S608

#: As `profile add` without options stored it, and with every option there is.
_PLAIN: dict[str, Any] = {
    "name": "plain",
    "kind": "master",
    "host": "mail.example.com",
    "port": 993,
    "access": "imap-ssl",
    "accept_all_certificates": False,
    "timeout_seconds": 60.0,
    "login": "",
    "login_user": "archiver",
    "password": b"sealed",
    "all_mailboxes": True,
    "max_jobs": 10,
    "allow_same_mailbox": False,
    "no_master_mailbox": False,
    "server_kind": "generic",
    "identity": "address",
    "folders": {
        "include": [],
        "exclude": [],
        "always_exclude": ["deleted", "drafts", "junk", "outbox"],
        "namespaces": ["personal"],
        "sent": [],
    },
    "except_users": [],
    "filter": {},
    "deletion": {},
    "schedule": {},
    "multidrop": {},
    "due": None,
    "sync_directory": False,
}
_RICH = {
    **_PLAIN,
    "name": "rich",
    "host": "mail2.example.com",
    "port": 1143,
    "access": "imap-tls",
    "accept_all_certificates": True,
    "timeout_seconds": 7.1,
    "login": "template:{user}*{master}",
    "login_user": "DOMAIN\\ädmin",
    "max_jobs": 3,
    "allow_same_mailbox": True,
    "no_master_mailbox": True,
    "server_kind": "exchange",
    "identity": "local-part",
    "folders": {
        "include": ["|i|^inbox"],
        "exclude": ["A/B", 'Quo"te'],
        "always_exclude": ["junk"],
        "namespaces": ["other-users", "shared"],
        "sent": ["Gesendet"],
    },
    "except_users": ["ann@example.com", "ben"],
    "filter": {
        "older_than": "2 years",
        "newer_than": "9 years",
        "since": "2019-02-03",
        "before": "2030-04-05",
        "read": "unread",
        "larger_than": 5,
        "smaller_than": 10**12,
        "sender": ["a", "!b"],
        "recipient": ["||c"],
        "subject": ["|i|d"],
    },
    "deletion": {"after": "3 months", "flagged": True, "without_uidplus": "others may be expunged too"},
    "schedule": {"run": "daily 22:00", "zone": "Europe/Berlin", "windows": ["20:00-06:00"]},
    "multidrop": {
        "recipients": ["X-To"],
        "senders": ["X-From"],
        "journal": False,
        "inbox": "In",
        "sent": "Out",
        "unknown": "leave",
        "catch_all": "nobody",
        "catch_all_folder": "Lost/Found",
    },
    "due": _DUE,
    "sync_directory": True,
}
#: Of the time before profiles had a choice of folders, and before there were folders for sent mail.
_ANCIENT = {**_PLAIN, "name": "ancient", "folders": {}}
_OLD = {**_PLAIN, "name": "old", "folders": {name: v for name, v in _PLAIN["folders"].items() if name != "sent"}}
_SINGLE = {**_PLAIN, "name": "single", "kind": "single", "all_mailboxes": False, "login": "login", "identity": "user"}
_CSV = {**_PLAIN, "name": "csv", "kind": "csv", "all_mailboxes": False, "login_user": "", "password": b""}

_plain = Profile(
    id=0,
    name="plain",
    kind=ProfileKind.MASTER,
    server=Server("mail.example.com", 993, Access.IMAP_SSL),
    login=Login(user="archiver", identity=Identity.ADDRESS),
    mailboxes=MailboxScope(all=True),
)
_EXPECTED = [
    replace(_plain, name="ancient", folders=EVERYTHING),
    replace(_plain, name="csv", kind=ProfileKind.CSV, login=Login(), mailboxes=MailboxScope()),
    replace(_plain, name="old"),
    _plain,
    Profile(
        id=0,
        name="rich",
        kind=ProfileKind.MASTER,
        max_jobs=3,
        allow_same_mailbox=True,
        no_master_mailbox=True,
        server=Server("mail2.example.com", 1143, Access.IMAP_TLS, True, 7.1, "exchange"),
        login=Login(user="DOMAIN\\ädmin", method="template:{user}*{master}", identity=Identity.LOCAL_PART),
        folders=FolderScope(
            include=("|i|^inbox",),
            exclude=("A/B", 'Quo"te'),
            always_exclude=frozenset({FolderRole.JUNK}),
            namespaces=frozenset({Namespace.OTHER_USERS, Namespace.SHARED}),
            sent=("Gesendet",),
        ),
        mailboxes=MailboxScope(all=True, but_not=("ann@example.com", "ben"), sync_directory=True),
        filter=MailFilter(
            older_than="2 years",
            newer_than="9 years",
            since=datetime(2019, 2, 3, tzinfo=UTC).date(),
            before=datetime(2030, 4, 5, tzinfo=UTC).date(),
            read=ReadState.UNREAD,
            larger_than=5,
            smaller_than=10**12,
            sender=("a", "!b"),
            recipient=("||c",),
            subject=("|i|d",),
        ),
        deletion=DeletionRule(after="3 months", flagged=True, without_uidplus="others may be expunged too"),
        schedule=Schedule(run="daily 22:00", zone="Europe/Berlin", windows=("20:00-06:00",)),
        multidrop=Multidrop(
            recipients=("X-To",),
            senders=("X-From",),
            journal=False,
            inbox="In",
            sent="Out",
            unknown=Unknown.LEAVE,
            catch_all="nobody",
            catch_all_folder="Lost/Found",
        ),
        due=_DUE,
    ),
    replace(
        _plain, name="single", kind=ProfileKind.SINGLE, login=Login(user="archiver", method="login"),
        mailboxes=MailboxScope(),
    ),
]  # fmt: skip


@pytest.fixture
async def before_documents(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """Open a database of the version before the one with documents; `monkeypatch.undo` gives the later migrations."""
    older = [migration for migration in migrations() if migration.version < _DOCUMENTS]
    async with fresh_database(postgres, role=OWNER) as url:
        opened = await Database.open(Secret(url))
        monkeypatch.setattr(migrate_module, "migrations", lambda: older)
        await migrate(opened)
        monkeypatch.undo()
        yield opened
        await opened.close()


async def _insert(database: Database, *rows: dict[str, Any]) -> None:
    """Write rows as the version before does."""
    async with database.transaction() as session:
        for row in rows:
            await session.execute(_OLD_INSERT, *(row[name] for name in _OLD_COLUMNS))


async def _old_rows(database: Database) -> list[dict[str, Any]]:
    """Return every profile as the version before reads it."""
    async with database.session() as session:
        return await session.values(_OLD_SELECT)


async def _profiles(database: Database) -> list[Profile]:
    async with database.session() as session:
        return [replace(profile, id=0) for profile in await profiles.list_all(session)]


def _json(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of the version before as `_old_rows` does."""
    due = row["due"] and row["due"].isoformat()
    return json.loads(json.dumps({**row, "password": f"\\x{row['password'].hex()}", "due": due}))  # type: ignore[no-any-return]


async def test_migration_carries_every_profile_over(before_documents: Database) -> None:
    """Whatever a profile said before, it says afterwards; passwords and old columns are untouched."""
    rows = [_PLAIN, _RICH, _ANCIENT, _OLD, _SINGLE, _CSV]
    await _insert(before_documents, *rows)
    before = await _old_rows(before_documents)
    await migrate(before_documents)

    assert await _profiles(before_documents) == _EXPECTED
    assert await _old_rows(before_documents) == before
    assert before == [_json(row) for row in sorted(rows, key=lambda row: row["name"])]


async def test_processes_of_the_version_before_go_on(database: Database) -> None:
    """While processes are replaced one after the other, what the older ones write is what the newer ones read."""
    await _insert(database, _PLAIN, _RICH, _ANCIENT, _OLD, _SINGLE, _CSV)
    inserted = await _profiles(database)
    async with database.session() as session:
        await session.execute("UPDATE profiles SET max_jobs = 77, login = '', due = now() WHERE name = 'rich'")
        changed_by_old = await profiles.find(session, "rich")

    assert inserted == _EXPECTED
    assert (changed_by_old.max_jobs, changed_by_old.login.method) == (77, "")
    assert replace(changed_by_old, max_jobs=3, login=inserted[4].login, due=_DUE, id=0) == inserted[4]


async def test_processes_of_the_version_before_see_changes(database: Database) -> None:
    """What newer processes write is what older ones read."""
    async with database.transaction() as session:
        for profile in _EXPECTED:
            added = await profiles.add(session, replace(profile, name=f"{profile.name} copy"), profile.due)
            await profiles.set_password(session, added, b"sealed")
        plain = await profiles.find(session, "plain copy")
        await profiles.replace(session, plain.id, replace(plain, max_jobs=5), None)
    copies = {row.pop("name"): row for row in await _old_rows(database)}

    expected = {f"{row['name']} copy": _json(row) for row in (_RICH, _OLD, _SINGLE, _CSV, {**_PLAIN, "max_jobs": 5})}
    for row in expected.values():
        del row["name"]
    # What an older process has no use for, it reads with its default.
    expected["single copy"]["identity"] = "address"
    expected["csv copy"]["password"] = expected["plain copy"]["password"]
    expected["old copy"]["folders"] = _PLAIN["folders"]
    assert {name: copies[name] for name in expected} == expected
    assert copies["ancient copy"]["folders"]["namespaces"] == ["other-users", "personal", "shared"]


@pytest.mark.parametrize("written", ["by the newer", "by the older"])
async def test_time_of_the_next_run_touches_nothing_else(database: Database, written: str) -> None:
    """The scheduler of either version notes when a profile runs next; the document stays as it is."""
    await _insert(database, _RICH)
    async with database.session() as session:
        before = await profiles.find(session, "rich")
        if written == "by the newer":
            await profiles.set_due(session, before.id, None, "no mailbox")
        else:
            await session.execute("UPDATE profiles SET due = NULL, schedule_error = 'no mailbox'")
        after = await profiles.find(session, "rich")

    assert after == replace(before, due=None, schedule_error="no mailbox")


async def test_every_field_survives_the_database(database: Database) -> None:
    """Each field of a profile is read back as it was stored."""
    wanted = sorted(set(FIELDS) - NAMED)
    async with database.transaction() as session:
        for field in wanted:
            await profiles.add(session, replace(changed(field), name=field), None)
        found = {profile.name: profile for profile in await profiles.list_all(session)}

    assert found == {
        field: Profile.of(replace(changed(field), name=field), id=found[field].id, due=None) for field in wanted
    }


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("schema_version = 2", "profile plain: a newer version of Muniment wrote this profile"),
        ('document = document || \'{"colour": "blue"}\'', "profile plain: .*unknown field `colour`"),
        ('document = document || \'{"max_jobs": "many"}\'', "profile plain: Expected `int`"),
    ],
)
async def test_unreadable_profiles_are_named(owner_database: Database, change: Any, sentence: str) -> None:
    """A document that this version does not understand is refused by name, with what to do."""
    async with owner_database.transaction() as session:
        await profiles.add(session, _plain, None)
        await session.execute("ALTER TABLE profiles DISABLE TRIGGER sync_profile")
        await session.execute(f"UPDATE profiles SET {change}")  # noqa: S608 - constants
        with pytest.raises(Misconfigured, match=sentence) as caught:
            await profiles.find(session, "plain")

    assert caught.value.hint
