"""A process uses the database only if it knows the schema and has the key."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from muniment.db import profiles
from muniment.db.database import Database
from muniment.db.migrate import migrate
from muniment.embedded.postgres import OWNER, EmbeddedPostgres
from muniment.errors import Misconfigured
from muniment.mailserver import ByteBudget
from muniment.model.profile import Access, ProfileKind, Server
from muniment.sealing import KeyRing
from muniment.secrecy import Secret, create_key_file
from muniment.services.operating.check_installation import check_installation
from muniment.services.operating.reset_key import reset_key
from muniment.services.profiles.submit_profile import submit_profile
from muniment.services.resources import Resources
from muniment.settings import Settings
from tests.support.principal import ADMIN
from tests.support.profiles import profile_request
from tests.support.services import fresh_database


@pytest.fixture
async def empty(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    """Open a database without tables."""
    async with fresh_database(postgres, role=OWNER) as url:
        opened = await Database.open(Secret(url))
        yield opened
        await opened.close()


def _resources(database: Database) -> Resources:
    return Resources(settings=Settings(), database=database, budget=ByteBudget(1))


def box(path: Path) -> KeyRing:
    """Return the ring of a new key."""
    create_key_file(path)
    return KeyRing.from_key_file(path)


async def test_schema_must_be_there(empty: Database, tmp_path: Path) -> None:
    """A database without migrations is refused with a hint, and accepted after the migration."""
    with pytest.raises(Misconfigured, match=r"lacks \d+ of") as caught:
        await check_installation(empty, box(tmp_path / "key"))
    assert "muniment migrate" in caught.value.hint

    await migrate(empty)

    await check_installation(empty, box(tmp_path / "key"))


async def test_first_key_is_the_right_one(database: Database, tmp_path: Path) -> None:
    """Any key other than the first is refused, however often; the first one stays valid."""
    right, wrong = box(tmp_path / "right"), box(tmp_path / "wrong")
    await check_installation(database, right)

    with pytest.raises(Misconfigured, match="not the one") as caught:
        await check_installation(database, wrong)
    with pytest.raises(Misconfigured, match="not the one"):
        await check_installation(database, wrong)
    assert "muniment key reset" in caught.value.hint
    await check_installation(database, right)


async def test_reset_forgets_passwords_and_takes_the_present_key(database: Database, tmp_path: Path) -> None:
    """After `key reset`, the new key is valid, the old one is not, and no undecryptable password is left."""
    old, new = box(tmp_path / "old"), box(tmp_path / "new")
    await check_installation(database, old)
    request = profile_request(
        "one", ProfileKind.SINGLE, Server("host", 1, Access.IMAP), user="ann@example.com", password=Secret("x")
    )
    summary = await submit_profile(ADMIN, replace(_resources(database), secrets=old), request)

    await reset_key(ADMIN, _resources(database), new)

    await check_installation(database, new)
    with pytest.raises(Misconfigured):
        await check_installation(database, old)
    async with database.session() as session:
        assert (await profiles.get(session, summary.profile.id)).sealed_password == b""
