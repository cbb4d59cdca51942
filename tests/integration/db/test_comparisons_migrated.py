"""Proofs of earlier versions, which runs renewed without a look, get the time of their last comparison."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from muniment.db import migrate as migrating
from muniment.db.database import Database
from muniment.db.migrate import migrate, migrations
from muniment.embedded.postgres import OWNER, EmbeddedPostgres
from muniment.secrecy import Secret
from tests.support.services import fresh_database

_VERSION = 18

#: Folder 1 was compared by run 1 and seen unchanged by run 2; folder 2 was compared by run 2, folder 3 by no run.
_FILL = """
INSERT INTO users (name) VALUES ('anna');
INSERT INTO mailboxes (user_id, address, proven) VALUES (1, 'anna@example.com', '2026-03-01 02:05Z');
INSERT INTO runs (profile_name, started) VALUES ('p', '2026-01-01 02:00Z'), ('p', '2026-03-01 02:00Z');
INSERT INTO folders (mailbox_id, wire_name, path, proven, proven_run) VALUES
    (1, 'a', '{a}', '2026-03-01 02:05Z', 1), (1, 'b', '{b}', '2026-03-01 02:04Z', 2), (1, 'c', '{c}', NULL, NULL);
"""

_TIMES = "to_char({} AT TIME ZONE 'UTC', 'MM-DD HH24:MI') || to_char({} AT TIME ZONE 'UTC', ' MM-DD')"


@pytest.fixture
async def before(postgres: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """Yield a database of the version before comparisons were kept."""
    older = [found for found in migrations() if found.version < _VERSION]
    monkeypatch.setattr(migrating, "migrations", lambda: older)
    async with fresh_database(postgres, role=OWNER) as url:
        database = await Database.open(Secret(url))
        await migrate(database)
        monkeypatch.undo()
        yield database
        await database.close()


async def test_proofs_get_the_time_of_their_comparison(before: Database) -> None:
    """The run that compared a folder began no later than that; its mailbox is as old as its oldest folder."""
    async with before.session() as session:
        for statement in filter(str.strip, _FILL.split(";")):
            await session.execute(statement)
    await migrate(before)
    async with before.session() as session:
        folders = await session.values(f"SELECT {_TIMES.format('proven', 'unmoved')} FROM folders ORDER BY id")  # noqa: S608 - columns
        mailbox = await session.values(f"SELECT {_TIMES.format('proven', 'visited')} FROM mailboxes")  # noqa: S608 - columns

    assert folders == ["01-01 02:00 03-01", "03-01 02:00 03-01", None]
    assert mailbox == ["01-01 02:00 03-01"]
