"""Migrates the schema with numbered SQL files, each in one transaction.

A file is named NNNN_PHASE_NAME.sql. A migration with the phase `pre` is compatible with the previous version of the
code; one with `post` may run only when no older code is running. Applied migrations are recorded with their checksum.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import LiteralString

from muniment import log
from muniment.db.database import Database, Session
from muniment.errors import Misconfigured

_log = log.get(__name__)
_LOCK = 0x4D554E49  # "MUNI": only one process migrates at a time

_HISTORY: LiteralString = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version  integer PRIMARY KEY,
    name     text NOT NULL,
    checksum text NOT NULL,
    applied  timestamptz NOT NULL DEFAULT now()
)"""

#: Whether the connected role owns the schema; the role that Muniment works as does not.
_MAY_CREATE: LiteralString = "SELECT has_schema_privilege('public', 'CREATE')"


@dataclass(frozen=True)
class Migration:
    """One file of SQL."""

    version: int
    name: str
    sql: LiteralString

    @property
    def phase(self) -> str:
        """`pre` or `post`."""
        return self.name.split("_")[1]

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, to detect a file that was changed after it was applied."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """Return all migrations in order."""
    folder = files("muniment.db").joinpath("migrations")
    texts = {file.name: file.read_text("utf-8") for file in folder.iterdir() if file.name.endswith(".sql")}
    return [Migration(int(name[:4]), name, texts[name]) for name in sorted(texts)]


async def migrate(database: Database) -> int:
    """Apply pending migrations and return their number; Misconfigured if the history does not match the files."""
    async with database.session() as session:
        if not await session.value(_MAY_CREATE):
            return await _check_only(session)
        await session.value("SELECT pg_advisory_lock($1)", _LOCK)
        try:
            await session.execute(_HISTORY)
            return await _apply_missing(session)
        finally:
            await session.value("SELECT pg_advisory_unlock($1)", _LOCK)


async def pending(database: Database, *, phase: str = "") -> int:
    """Return the number of pending migrations (of one phase or of both)."""
    wanted = [migration for migration in migrations() if phase in {"", migration.phase}]
    async with database.session() as session:
        if await session.value("SELECT to_regclass('schema_migrations')") is None:
            return len(wanted)
        done = await session.values("SELECT version FROM schema_migrations")
        return sum(migration.version not in done for migration in wanted)


async def _check_only(session: Session) -> int:
    """Return 0 if nothing is pending; Misconfigured if something is."""
    missing = migrations()
    if await session.value("SELECT to_regclass('schema_migrations')") is not None:
        missing = await _missing(session)
    if not missing:
        return 0
    role = await session.value("SELECT current_user::text")
    raise Misconfigured(
        f"{len(missing)} of this version's migrations are pending, and the role {role} does not own the database",
        hint="Set MUNIMENT_OWNER_DATABASE_URL to the URL for the owner.",
    )


async def _apply_missing(session: Session) -> int:
    missing = await _missing(session)
    for migration in missing:
        await _apply(session, migration)
    return len(missing)


async def _missing(session: Session) -> list[Migration]:
    """Return the pending migrations; Misconfigured if the history does not match the files."""
    history = dict(await session.values("SELECT (version, checksum) FROM schema_migrations"))
    for migration in migrations():
        if history.get(migration.version, migration.checksum) != migration.checksum:
            raise Misconfigured(
                f"migration {migration.name} was changed after it was applied to this database",
                hint="This database belongs to a different version of Muniment. Install that version.",
            )
    if unknown := sorted(set(history) - {migration.version for migration in migrations()}):
        raise Misconfigured(
            f"the database was migrated by a newer version of Muniment (migration {unknown[0]:04d} and later)",
            hint="Install that newer version of Muniment.",
        )
    return [migration for migration in migrations() if migration.version not in history]


async def _apply(session: Session, migration: Migration) -> None:
    async with session.transaction():
        # A migration that waits for a lock blocks all queries behind it: better to fail and be repeated.
        await session.execute("SET LOCAL lock_timeout = '4s'")
        await session.execute(migration.sql)
        await session.execute(
            "INSERT INTO schema_migrations (version, name, checksum) VALUES ($1, $2, $3)",
            migration.version,
            migration.name,
            migration.checksum,
        )
    _log.info("migrated", migration=migration.name)
