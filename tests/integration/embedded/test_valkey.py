from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from kombu import Connection

from muniment.embedded.leftovers import servers
from muniment.embedded.supervisor import Supervisor
from muniment.embedded.valkey import EmbeddedValkey
from muniment.retry import Backoff
from tests.support.services import redis_url, valkey_server
from tests.support.supervised import kill_and_wait
from tests.support.waiting import wait_until


def client(server: EmbeddedValkey) -> redis.Redis:
    return redis.Redis.from_url(redis_url(server), decode_responses=True)


def saved(home: Path, pattern: str) -> Path:
    (path,) = (home / "valkey" / "data" / "appendonlydir").glob(pattern)
    return path


def test_entries_survive_stop_and_start(home: Path) -> None:
    """Messages queued before a clean stop are there after the next start; nothing runs in between."""
    with valkey_server(home) as server, client(server) as connection:
        connection.lpush("queue", "task")

    assert servers(home / "valkey" / "data", "valkey") == []
    with valkey_server(home) as server, client(server) as connection:
        assert connection.lrange("queue", 0, -1) == ["task"]


def test_celery_and_redis_py_both_connect(home: Path) -> None:
    """redis-py with the translated URL sees a message that kombu published with the canonical URL."""
    with (
        valkey_server(home) as server,
        client(server) as watcher,
        Connection(server.url.reveal()) as connection,
        connection.SimpleQueue("archive") as queue,
    ):
        queue.put({"run": 1})

        assert watcher.llen("archive") == 1
        message = queue.get(timeout=60)
        assert message.payload == {"run": 1}
        message.ack()


def test_reached_by_socket_only(home: Path) -> None:
    """No TCP port is opened, and other users cannot enter the socket's folder."""
    with valkey_server(home) as server:
        (process,) = servers(home / "valkey" / "data", "valkey")

        assert process.net_connections("tcp") == []
        socket = Path(server.url.reveal().removeprefix("redis+socket://"))
        assert socket.parent.stat().st_mode & 0o777 == 0o700
        assert socket.stat().st_mode & 0o777 == 0o700
        if os.geteuid() == 0:
            assert process.uids().effective != 0


def test_killed_server_comes_back(home: Path) -> None:
    """After SIGKILL, a server answers again on the same socket."""
    server = EmbeddedValkey(home / "valkey", home / "run")
    supervisor = Supervisor(home, home)
    supervisor.start(server.prepare())
    supervisor.settle()
    try:
        for _ in range(3):
            kill_and_wait(supervisor, "valkey")
            wait_until(lambda: _pongs(server), "an answer")
    finally:
        supervisor.stop()


def _pongs(server: EmbeddedValkey) -> bool:
    try:
        with client(server) as connection:
            return bool(connection.ping())
    except redis.ConnectionError:
        return False


def _cut(home: Path) -> None:
    path = saved(home, "*.incr.aof")
    path.write_bytes(path.read_bytes()[:-7])


def _garbage_in_the_middle(home: Path) -> None:
    path = saved(home, "*.incr.aof")
    content = path.read_bytes()
    path.write_bytes(content[:30] + b"\0garbage\0" + content[40:])


def _garbage_base(home: Path) -> None:
    saved(home, "*.base.rdb").write_bytes(b"garbage" * 20)


def _garbage_manifest(home: Path) -> None:
    saved(home, "*.manifest").write_text("garbage\n")


def _missing_base(home: Path) -> None:
    saved(home, "*.base.rdb").unlink()


@pytest.mark.parametrize(
    ("damage", "left"),
    [
        (_cut, 99),
        (_garbage_in_the_middle, 0),
        (_garbage_base, 0),
        (_garbage_manifest, 0),
        (_missing_base, 0),
    ],
)
def test_damaged_files_never_prevent_a_start(home: Path, damage: Callable[[Path], None], left: int) -> None:
    """A truncated file loses its last entry; after other damage, the queue is moved aside and the server starts."""
    with valkey_server(home) as server, client(server) as connection:
        for number in range(100):
            connection.rpush("queue", f"task {number}")
    damage(home)

    server = EmbeddedValkey(home / "valkey", home / "run")
    supervisor = Supervisor(home, home, backoff=Backoff(0.01, 0.02))
    try:
        supervisor.start(server.prepare())
        with client(server) as connection:
            assert connection.llen("queue") == left
            connection.rpush("queue", "new")
    finally:
        supervisor.stop()

    assert (home / "valkey" / "data" / "appendonlydir.unreadable").exists() == (left == 0)
