"""Migrations: run once, never changed, never from the future."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from muniment.db import migrate as migrate_module
from muniment.db.database import Database
from muniment.db.migrate import Migration, migrate, migrations, pending
from muniment.embedded.postgres import OWNER, EmbeddedPostgres
from muniment.errors import Misconfigured
from muniment.secrecy import Secret
from tests.support.services import fresh_database


@pytest.fixture
async def empty(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    """Open a database without any table."""
    async with fresh_database(postgres, role=OWNER) as url:
        opened = await Database.open(Secret(url))
        yield opened
        await opened.close()


async def schema(database: Database) -> list[str]:
    """Return every table, column and index."""
    async with database.session() as session:
        columns = await session.values(
            "SELECT concat_ws(' ', table_name, column_name, data_type) FROM information_schema.columns"
            " WHERE table_schema = 'public' ORDER BY 1"
        )
        return columns + await session.values("SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1")


async def test_second_time_changes_nothing(empty: Database) -> None:
    """Migrating an empty database runs every file once; doing it again runs none and changes nothing."""
    waiting = await pending(empty)
    first = await migrate(empty)
    before = await schema(empty)
    again = [await migrate(empty), await pending(empty)]

    assert len(migrations()) == waiting == first
    assert again == [0, 0]
    assert before
    assert before == await schema(empty)


async def test_processes_that_start_together(empty: Database) -> None:
    """Of several processes that migrate at once one does the work and the others find it done."""
    assert sorted(await asyncio.gather(*(migrate(empty) for _ in range(4)))) == [0, 0, 0, len(migrations())]


async def test_changed_file_is_refused(owner_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was changed after it ran is refused by name."""
    changed = [Migration(m.version, m.name, m.sql + "\n-- changed") for m in migrations()]
    monkeypatch.setattr(migrate_module, "migrations", lambda: changed)

    with pytest.raises(Misconfigured, match=f"{changed[0].name} was changed") as caught:
        await migrate(owner_database)

    assert caught.value.hint


async def test_newer_history_is_refused(owner_database: Database) -> None:
    """A database that a newer Muniment has migrated is refused, and nothing is touched."""
    async with owner_database.session() as session:
        await session.execute("INSERT INTO schema_migrations (version, name, checksum) VALUES (9999, 'x', 'y')")
    before = await schema(owner_database)

    with pytest.raises(Misconfigured, match="newer version of Muniment") as caught:
        await migrate(owner_database)

    assert caught.value.hint
    assert before == await schema(owner_database)


async def test_failed_file_leaves_nothing_behind(owner_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that fails in the middle is undone whole, and stays pending."""
    broken = Migration(9000, "9000_pre_broken.sql", "CREATE TABLE half (id int); SELECT 1 / 0;")
    monkeypatch.setattr(migrate_module, "migrations", lambda: [*migrations(), broken])
    before = await schema(owner_database)

    with pytest.raises(Exception, match="division by zero"):
        await migrate(owner_database)

    assert before == await schema(owner_database)
    assert await pending(owner_database) == 1


def test_files_are_numbered_and_named() -> None:
    """Files are numbered without gaps and name their phase."""
    found = migrations()
    assert [m.version for m in found] == list(range(1, len(found) + 1))
    assert all(m.name.split("_")[1] in {"pre", "post"} for m in found)
