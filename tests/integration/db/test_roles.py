"""Roles in PostgreSQL: what the role that Muniment works as may do, and how an installation gets its roles."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from muniment.db import audit, roles
from muniment.db.audit import Act
from muniment.db.database import Database
from muniment.db.logins import READER
from muniment.db.migrate import migrate
from muniment.embedded.postgres import OWNER, RUNTIME, EmbeddedPostgres
from muniment.errors import Misconfigured
from muniment.mailserver import ByteBudget
from muniment.model.audit_entry import Outcome
from muniment.secrecy import Secret
from muniment.services.operating.schema import apply_migrations, create_roles
from muniment.services.resources import Resources
from muniment.services.stores.tend_stores import tend_stores
from muniment.settings import Settings
from tests.support.harness import Harness
from tests.support.principal import ADMIN
from tests.support.services import administrator, execute_as_administrator, fresh_database

_ACT = Act(who="eve@host", action="message shown", subject="x", outcome=Outcome.DONE)

_FORGED = "INSERT INTO audit (who, action, subject) VALUES ('bob', 'nothing', 'x')"
_FUNCTION = "() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"

#: What the role that Muniment works as must not be able to do.
REFUSED = [
    _FORGED,
    "COPY audit (who, action, subject) FROM '/etc/passwd'",
    "MERGE INTO audit USING (SELECT 1) AS one ON false WHEN NOT MATCHED THEN"
    " INSERT (who, action, subject) VALUES ('bob', 'nothing', 'x')",
    "UPDATE audit SET who = 'bob'",
    "UPDATE audit SET who = 'bob' WHERE false",
    "WITH gone AS (DELETE FROM audit RETURNING 1) SELECT count(*) FROM gone",
    "DELETE FROM audit",
    "TRUNCATE audit",
    "DROP TABLE audit",
    "ALTER TABLE audit RENAME TO elsewhere",
    "ALTER TABLE audit DISABLE TRIGGER keep_audit",
    "ALTER TABLE audit DISABLE TRIGGER ALL",
    "ALTER TABLE audit ENABLE REPLICA TRIGGER keep_audit",
    "ALTER TABLE audit OWNER TO muniment_runtime",
    "ALTER TABLE audit SET UNLOGGED",
    "DROP TRIGGER keep_audit ON audit",
    "CREATE TRIGGER mine BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION keep_audit()",
    "CREATE RULE mine AS ON INSERT TO audit DO INSTEAD NOTHING",
    "CREATE POLICY mine ON audit USING (false)",
    "BEGIN; LOCK TABLE audit IN ACCESS EXCLUSIVE MODE",
    "SELECT * FROM audit FOR UPDATE",
    "SELECT setval('audit_id_seq', 1)",
    "ALTER SEQUENCE audit_id_seq RESTART",
    "SET session_replication_role = replica",
    "SET ROLE muniment",
    "SET ROLE postgres",
    "SET SESSION AUTHORIZATION postgres",
    "GRANT muniment TO muniment_runtime",
    f"GRANT ALL ON audit TO muniment_runtime; {_FORGED}",
    "ALTER ROLE muniment_runtime SUPERUSER",
    "ALTER ROLE muniment PASSWORD 'mine'",
    "CREATE ROLE another LOGIN",
    f"CREATE OR REPLACE FUNCTION keep_audit{_FUNCTION}",
    f"CREATE FUNCTION mine{_FUNCTION}",
    f"CREATE FUNCTION pg_temp.mine{_FUNCTION}",
    "ALTER FUNCTION record_act SECURITY INVOKER",
    "ALTER FUNCTION record_act SET search_path = pg_temp",
    "DROP FUNCTION record_act",
    "DROP FUNCTION keep_audit CASCADE",
    "CREATE TABLE mine (id int)",
    "CREATE TEMP TABLE audit (id int)",
    "CREATE SCHEMA mine",
    "CREATE DATABASE mine",
    "DROP SCHEMA public CASCADE",
    "ALTER SCHEMA public RENAME TO elsewhere",
    "INSERT INTO schema_migrations (version, name, checksum) VALUES (9999, 'x', 'y')",
    "DELETE FROM schema_migrations",
    "UPDATE messages SET size = 1",
    "DELETE FROM messages",
    "TRUNCATE messages CASCADE",
    "DELETE FROM contents",
    "UPDATE contents SET data = ''",
    "DELETE FROM entries",
    "DELETE FROM deletions",
    "DELETE FROM messages_1",
    "INSERT INTO contents_1 (store_id, message_id, part, codec, data) VALUES (1, 1, 0, 0, '')",
    "SELECT rolpassword FROM pg_authid",
    "SELECT pg_read_file('/etc/passwd')",
    "COPY (SELECT 1) TO PROGRAM 'true'",
]


@pytest.fixture
async def recorded(database: Database) -> Database:
    """Return the test's database with a row in the audit log, open as the role that Muniment works as."""
    async with database.session() as session:
        await audit.add(session, _ACT)
    return database


async def _rows(database: Database) -> list[Any]:
    async with database.session() as session:
        return await audit.latest(session, None, 1000)


@pytest.mark.parametrize("statement", REFUSED)
async def test_the_audit_log_cannot_be_touched(recorded: Database, database_url: str, statement: str) -> None:
    """The role is refused what would change, empty or forge the log, or get it the rights to."""
    before = await _rows(recorded)
    connection = await asyncpg.connect(database_url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()

    assert await _rows(recorded) == before
    assert len(before) == 1


@pytest.mark.parametrize("statement", ["UPDATE audit SET who = 'bob'", "DELETE FROM audit", "TRUNCATE audit"])
@pytest.mark.parametrize("role", ["owner", "superuser"])
@pytest.mark.parametrize("replica", [False, True])
async def test_the_trigger_stops_even_its_owner(
    recorded: Database, database_url: str, owner_url: str, statement: Any, role: str, replica: bool
) -> None:
    """A slip of an administrator's hand is stopped, also in replica mode, which skips ordinary triggers."""
    url = owner_url if role == "owner" else re.sub("//.*@", "//postgres@", database_url)
    if role == "owner" and replica:
        pytest.skip("only a superuser may switch to replica mode")
    before = await _rows(recorded)
    connection = await asyncpg.connect(url)
    try:
        if replica:
            await connection.execute("SET session_replication_role = replica")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="can only be added to"):
            await connection.execute(statement)
    finally:
        await connection.close()

    assert await _rows(recorded) == before


async def test_the_function_sets_time_and_role_itself(recorded: Database, database_url: str) -> None:
    """A caller can neither choose the time nor the role, nor lead the function to another table."""
    connection = await asyncpg.connect(database_url)
    try:
        began = await connection.fetchval("SELECT clock_timestamp()")
        await connection.execute("SET search_path = pg_temp, pg_catalog")
        await connection.execute(
            "SELECT public.record_act('eve', 'x', 'y', 'done', null, null, null, 0, 'root', null, null)"
        )
    finally:
        await connection.close()

    async with recorded.session() as session:
        entry = (await audit.latest(session, None, 1))[0]
    assert entry.at >= began
    assert entry.role == RUNTIME


def _expected(table: str) -> set[str]:
    """Return what the runtime role may do with a table."""
    if table in {"audit", "schema_migrations"} or re.search(r"_\d+$", table):  # partitions: read by backups only
        return {"SELECT"}
    if table in {"messages", "contents"}:
        return {"SELECT", "INSERT"}
    if table in {"entries", "deletions"}:
        return {"SELECT", "INSERT", "UPDATE"}
    return {"SELECT", "INSERT", "UPDATE", "DELETE"}


async def test_the_rights_on_every_table(database: Database, harness: Harness) -> None:
    """Every table, also of a new store, grants exactly what Muniment needs; so does each one of a later migration."""
    async with harness.administrator() as session:
        await session.execute("CREATE TABLE of_a_later_migration (id int GENERATED ALWAYS AS IDENTITY)")
        await session.execute(f"ALTER TABLE of_a_later_migration OWNER TO {OWNER}")
    await _grant(harness)
    stores = harness.with_settings(store_messages=1)
    async with database.session() as session:
        await session.execute("INSERT INTO store_counts SELECT id, 5, 5, 5, 0 FROM stores")
    await tend_stores(ADMIN, stores.resources)
    async with database.session() as session:
        tables = await session.values("SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                                      " AND relkind IN ('r', 'p') ORDER BY 1")  # fmt: skip
        rights = {
            table: {
                right
                for right in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN")
                if await session.value("SELECT has_table_privilege('public.' || quote_ident($1), $2)", table, right)
            }
            for table in tables
        }
        foreign = await session.values(
            "SELECT relname::text FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relowner <> $1::text::regrole",
            OWNER,
        )

    assert {"audit", "messages", "messages_2", "of_a_later_migration"} <= rights.keys()
    assert rights == {table: _expected(table) for table in tables}
    assert foreign == []


async def _grant(harness: Harness) -> None:
    """Do what `muniment migrate` does after the migrations."""
    url = harness.resources.settings.database_url
    assert url is not None
    async with administrator(url.reveal()) as session, session.transaction():
        await session.execute(f"SET LOCAL ROLE {OWNER}")
        await roles.grant(session, RUNTIME)


async def test_readers_see_no_secret(harness: Harness, postgres: EmbeddedPostgres) -> None:
    """The group of readers sees columns that are not secret, in every table, and changes nothing."""
    async with harness.administrator() as session:
        columns = await session.values(
            "SELECT relname || '.' || attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid"
            " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
            " AND attnum > 0 AND NOT attisdropped"
            " AND NOT has_column_privilege($1::text, pg_class.oid, attnum, 'SELECT')",
            READER,
        )
        changing = await session.values(
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
            " AND has_table_privilege($1::text, oid, 'INSERT, UPDATE, DELETE, TRUNCATE')",
            READER,
        )

    assert {"installation.key_check", "profile_mailboxes.password", "profiles.password"} <= set(columns)
    assert all(re.search(r"key|password|secret|sealed|token", column) for column in columns)
    assert changing == []


async def test_what_is_not_separated_is_named(database: Database, owner_database: Database, harness: Harness) -> None:
    """The separation is judged by what the connected role could do, not by names."""
    async with database.session() as session:
        separated = await roles.separation(session)
    async with owner_database.session() as session:
        owner = await roles.separation(session)
    async with harness.administrator() as session:
        superuser = await roles.separation(session)
        await session.execute("ALTER TABLE audit DISABLE TRIGGER keep_audit")
        await session.execute(f"GRANT INSERT (who) ON audit TO {RUNTIME}")
        await session.execute(f"GRANT CREATE ON SCHEMA public TO {RUNTIME}")
    async with database.session() as session:
        weakened = await roles.separation(session)

    assert separated.problems == []
    assert (separated.role, separated.owner) == (RUNTIME, OWNER)
    assert ["owns the tables" in problem for problem in owner.problems] == [True]
    assert ["is a superuser" in problem for problem in superuser.problems] == [True]
    assert weakened.problems == [
        f"the database role {RUNTIME} may change the audit log",
        f"the database role {RUNTIME} may create objects beside the tables",
        "the trigger that protects the audit log is missing or switched off",
    ]


async def test_ordinary_triggers_are_not_enough(database: Database, harness: Harness) -> None:
    """A trigger that replica mode skips counts as missing."""
    async with harness.administrator() as session:
        await session.execute("ALTER TABLE audit ENABLE TRIGGER keep_audit")
    async with database.session() as session:
        assert (await roles.separation(session)).is_unguarded


@pytest.fixture
def names(new_number: Any) -> tuple[str, str, str]:
    """Return names of roles that nobody else uses: of an administrator, an owner and a runtime role."""
    number = new_number()
    return f"admin{number}", f"owner{number}", f'run "time" {number}'


@pytest.fixture
async def single(postgres: EmbeddedPostgres, names: tuple[str, str, str]) -> AsyncIterator[str]:
    """Yield the URL, for the superuser, of a database that one role owns and works with, as before there were two."""
    async with fresh_database(postgres, role="postgres") as url:
        _, owner, _ = names
        async with administrator(url) as session:
            await session.execute(f"CREATE ROLE {owner} LOGIN PASSWORD 'old'")
            await session.execute(f"ALTER DATABASE {await session.value('SELECT current_database()')} OWNER TO {owner}")
        database = await Database.open(_login(url, owner, "old"))
        await migrate(database)
        await database.close()
        yield url
    for role in (*names[1:], f"{names[0]}_owns"):
        await execute_as_administrator(postgres, f'DROP ROLE IF EXISTS "{role.replace(chr(34), chr(34) * 2)}"')


def _login(url: str, role: str, password: str) -> Secret:
    quoted = role.replace(" ", "%20").replace('"', "%22")
    return Secret(re.sub("//.*@", f"//{quoted}:{password}@", url))


def _separating(url: str, owner: Secret, runtime: Secret, database: Database) -> Resources:
    settings = Settings(database_url=runtime, owner_database_url=owner, admin_database_url=Secret(url))
    return Resources(settings=settings, database=database, budget=ByteBudget(1))


@pytest.mark.parametrize("keeps", ["owner", "runtime", "neither"])
async def test_one_role_becomes_two(single: str, names: tuple[str, str, str], keeps: str) -> None:
    """The old role becomes the owner, the one that works, or neither, as in containers; the owner gets everything."""
    admin_name, old, new = names
    owner, runtime = {"owner": (old, new), "runtime": (new, old), "neither": (f"{admin_name}_owns", new)}[keeps]
    owner_url, runtime_url = _login(single, owner, "long-owner"), _login(single, runtime, "long-runtime")
    admin = await Database.open(Secret(single))
    resources = _separating(single, owner_url, runtime_url, admin)

    assert await create_roles(ADMIN, resources) == (owner, runtime)
    await create_roles(ADMIN, resources)
    await admin.close()
    own = await Database.open(owner_url)
    assert await apply_migrations(ADMIN, replace(resources, database=own)) == 0
    await own.close()

    works = await Database.open(runtime_url)
    async with works.session() as session:
        found = await roles.separation(session)
        rows = [(entry.action, entry.role) for entry in await audit.latest(session, None, 10)]
        foreign = await session.value(
            "SELECT count(*) FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace AND relowner <> $1::text::regrole",
            f'"{owner.replace(chr(34), chr(34) * 2)}"',
        )
    await tend_stores(ADMIN, replace(resources, database=works))
    await works.close()
    assert (found.role, found.owner, found.problems, foreign) == (runtime, owner, [], 0)
    assert rows == [("migrated", owner), ("roles created", "postgres"), ("roles created", "postgres")]


async def test_an_administrator_need_not_be_a_superuser(
    single: str, names: tuple[str, str, str], postgres: EmbeddedPostgres
) -> None:
    """As with hosted servers: a role with CREATEROLE that owns the database separates it, and creates both roles."""
    admin_name, old, new = names
    async with administrator(single) as session:
        await session.execute(f"ALTER ROLE {old} CREATEROLE")
    owner_url, runtime_url = _login(single, f"{admin_name}_owns", "a"), _login(single, new, "b")
    admin = await Database.open(_login(single, old, "old"))
    try:
        assert await create_roles(ADMIN, _separating(single, owner_url, runtime_url, admin)) == (
            f"{admin_name}_owns",
            new,
        )
    finally:
        await admin.close()

    works = await Database.open(runtime_url)
    async with works.session() as session:
        found = await roles.separation(session)
    await works.close()
    assert (found.role, found.owner, found.problems) == (new, f"{admin_name}_owns", [])


@pytest.mark.parametrize(
    ("owner", "runtime", "match"),
    [
        ("same", "same", "also the administrator or the owner"),
        ("postgres", "some", "superuser"),
        ("some", "postgres", "superuser"),
    ],
)
async def test_unsuitable_roles_are_refused(single: str, owner: str, runtime: str, match: str) -> None:
    """Two names for one role, and superusers, separate nothing; nothing is changed."""
    admin = await Database.open(Secret(single))
    resources = _separating(single, _login(single, owner, "x"), _login(single, runtime, "x"), admin)
    if "postgres" in {owner, runtime}:  # not as the administrator itself, who is left as it is
        async with administrator(single) as session:
            await session.execute("CREATE ROLE boss LOGIN SUPERUSER")
        resources = _separating(
            single,
            _login(single, owner.replace("postgres", "boss"), "x"),
            _login(single, runtime.replace("postgres", "boss"), "x"),
            admin,
        )
    try:
        with pytest.raises(Misconfigured, match=match) as caught:
            await create_roles(ADMIN, resources)
        async with admin.session() as session:
            made = await session.values("SELECT rolname::text FROM pg_roles WHERE rolname IN ('same', 'some')")
    finally:
        await admin.close()
        async with administrator(single) as session:
            await session.execute("DROP ROLE IF EXISTS boss")

    assert caught.value.hint
    assert made == []


async def test_a_single_role_goes_on_to_work(single: str, names: tuple[str, str, str]) -> None:
    """An administrator's existing URL is enough for migrating and working; the log works, and is not protected."""
    database = await Database.open(_login(single, names[1], "old"))
    settings = Settings(database_url=_login(single, names[1], "old"))
    resources = Resources(settings=settings, database=database, budget=ByteBudget(1))
    await apply_migrations(ADMIN, resources)
    await tend_stores(ADMIN, replace(resources, settings=replace(settings, store_messages=1)))
    async with database.session() as session:
        rows = await audit.latest(session, None, 10)
        found = await roles.separation(session)
    await database.close()

    assert [row.action for row in rows] == ["migrated"]
    assert "owns the tables" in found.problems[0]


async def test_migrating_takes_the_owner(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The role that works finds that nothing is pending, and is told whom to ask if something is."""
    assert await migrate(database) == 0
    history = "muniment.db.migrate.migrations"
    later = [*__import__("muniment.db.migrate", fromlist=["migrations"]).migrations()]
    monkeypatch.setattr(history, lambda: [*later, replace(later[-1], version=9999, name="9999_pre_later.sql")])

    with pytest.raises(Misconfigured, match=f"1 of .*{RUNTIME} does not own") as caught:
        await migrate(database)
    assert "MUNIMENT_OWNER_DATABASE_URL" in caught.value.hint


async def test_two_urls_must_lead_to_one_database(single: str, owner_url: str, database_url: str) -> None:
    """The rights must not go to a role that works in another database."""
    other = await Database.open(Secret(owner_url))
    settings = Settings(database_url=Secret(single), owner_database_url=Secret(owner_url))
    try:
        with pytest.raises(Misconfigured, match="different databases"):
            await apply_migrations(ADMIN, Resources(settings=settings, database=other, budget=ByteBudget(1)))
    finally:
        await other.close()
