"""Passwords of the servers appear in no argument list and no environment of any process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from muniment.db.database import Database
from muniment.embedded.postgres import OWNER, EmbeddedPostgres
from muniment.secrecy import Secret
from tests.support.processes import Running
from tests.support.services import fresh_database
from tests.support.system import Role, System, system
from tests.support.waiting import wait_until

INDEX_PASSWORD = "hunter2-of-the-index"


def read(process: psutil.Process) -> bytes:
    """Return what other users, tools and crash reports can see of a process."""
    seen = b""
    with suppress(OSError):
        seen += Path(f"/proc/{process.pid}/cmdline").read_bytes()
        seen += Path(f"/proc/{process.pid}/environ").read_bytes()
    return seen


def tellers(processes: Sequence[psutil.Process], url: str) -> list[str]:
    """Return the command lines of those that show a password: the index's, or that of the database's URL."""
    passwords = (password_in(url), INDEX_PASSWORD)
    return [" ".join(p.cmdline()) for p in processes if any(one.encode() in read(p) for one in passwords)]


def password_in(url: str) -> str:
    """Return the password in a URL."""
    found = urlsplit(url).password
    assert found
    return found


async def test_no_process_shows_a_password(postgres: EmbeddedPostgres, tmp_path: Path, port: int) -> None:
    """`up` with secrets from files, everything that it starts, and a backup with its pg_dump."""
    async with fresh_database(postgres, "template1", role=OWNER) as url:
        files = {"database_url": url, "opensearch_url": f"http://admin:{INDEX_PASSWORD}@127.0.0.1:{port}"}
        environ = {}
        for name, text in files.items():
            (tmp_path / name).write_text(text)
            environ[f"MUNIMENT_{name.upper()}_FILE"] = str(tmp_path / name)
        with system(**environ) as found:
            await asyncio.to_thread(found.start)
            started = [psutil.Process(found.up.pid), *psutil.Process(found.up.pid).children(recursive=True)]
            assert len(started) > 5
            assert tellers(started, url) == []
            for role in (Role.ARCHIVE, Role.INDEX, Role.INDEX_CHILD, Role.SCHEDULER):
                assert b"MUNIMENT_DATABASE_URL_FILE" in read(await asyncio.to_thread(found.process, role))
            await look_at_a_backup(found, url, tmp_path / "out.dump")
            secrets = found.data / "run" / "secrets"
            assert {path.stat().st_mode & 0o777 for path in secrets.iterdir()} == {0o600}
            assert await asyncio.to_thread(found.stop) == 0
            assert not secrets.exists()


async def look_at_a_backup(found: System, url: str, file: Path) -> None:
    """Hold a backup where pg_dump waits for a lock, and look at both."""
    database = await Database.open(Secret(url))
    try:
        with Running("backup", "--to", str(file), environ=found.client) as backup:
            async with database.transaction() as session:
                await session.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")

                def dumping() -> list[psutil.Process]:
                    children = psutil.Process(backup.pid).children(recursive=True)
                    return [child for child in children if child.name() == "pg_dump"]

                [pg_dump] = await asyncio.to_thread(wait_until, dumping, "pg_dump")
                assert b"--dbname=" in read(pg_dump)
                assert tellers([psutil.Process(backup.pid), pg_dump], url) == []
            assert await asyncio.to_thread(backup.wait) == 0
    finally:
        await database.close()
    assert file.stat().st_size > 0
