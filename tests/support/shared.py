"""Servers shared by all processes of a test session: started on first use, stopped at the end of the session.

With pytest-xdist the controller runs them, and workers request them over a Unix socket. The controller outlives every
worker, so no worker can take a server away from the others; the servers die with the controller, even if it is killed.
"""

from __future__ import annotations

import copy
import secrets
import shutil
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

#: Name → how to run the server. The value of the context manager must be picklable.
Offers = Mapping[str, Callable[[], AbstractContextManager[object]]]


S = TypeVar("S")


def without_process(server: S) -> S:
    """Return a server for other processes: they can use it, but neither stop nor kill it."""
    handle = copy.copy(server)
    handle.__dict__.pop("_process")
    return handle


class Servers(Protocol):
    """Provides servers to a process of the session."""

    def get(self, name: str) -> Any:
        """Return the running server with that name; the first call starts it."""


class LocalServers:
    """Servers that this process runs."""

    def __init__(self, offers: Offers) -> None:
        self._offers = offers
        self._running: dict[str, _Runner] = {}
        self._lock = threading.Lock()

    def get(self, name: str) -> Any:
        """Return the running server with that name; the first call starts it."""
        with self._lock:
            runner = self._running.get(name)
            if runner is None:
                runner = self._running[name] = _Runner(name, self._offers[name])
        return runner.started.result()

    def stop(self) -> None:
        """Stop all servers."""
        for runner in self._running.values():
            runner.stop()
        for runner in self._running.values():
            runner.join()


class _Runner:
    """Runs one server in its own thread: the server's processes die with the thread that started them."""

    def __init__(self, name: str, offer: Callable[[], AbstractContextManager[object]]) -> None:
        self.started: Future[object] = Future()
        self._offer = offer
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"shared {name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()

    def join(self) -> None:
        self._thread.join()

    def _run(self) -> None:
        try:
            with self._offer() as server:
                self.started.set_result(server)
                self._over.wait()
        except BaseException as error:
            if self.started.done():
                raise
            self.started.set_exception(error)


class Lender:
    """Provides the servers of this process to other processes of the session, at `address` with the key `key`."""

    def __init__(self, servers: LocalServers) -> None:
        self._servers = servers
        self._folder = Path(tempfile.mkdtemp(prefix="muniment-test-"))
        self.address = str(self._folder / "servers")
        self.key = secrets.token_hex(16)
        self._listener = Listener(self.address, "AF_UNIX", backlog=64, authkey=self.key.encode())
        threading.Thread(target=self._listen, name="lender", daemon=True).start()

    def close(self) -> None:
        """Accept no more requests, and stop the servers."""
        self._listener.close()
        self._servers.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _listen(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except OSError:  # closed
                return
            threading.Thread(target=self._answer, args=(connection,), name="loan", daemon=True).start()

    def _answer(self, connection: Connection) -> None:
        with connection:
            try:
                connection.send(("here", self._servers.get(connection.recv())))
            except pytest.skip.Exception as error:
                connection.send(("skip", str(error)))
            except BaseException:
                connection.send(("fail", traceback.format_exc()))


class BorrowedServers:
    """Servers that the controller runs."""

    def __init__(self, address: str, key: str) -> None:
        self._address = address
        self._key = key.encode()

    def get(self, name: str) -> Any:
        """Return the running server with that name; the first call in the session starts it."""
        with Client(self._address, "AF_UNIX", authkey=self._key) as connection:
            connection.send(name)
            kind, answer = connection.recv()
        if kind == "skip":
            pytest.skip(answer)
        if kind == "fail":
            pytest.fail(answer, pytrace=False)
        return answer
