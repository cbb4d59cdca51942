"""The data folder: its layout and its lock.

DATA/               created with mode 0700
  secret.key
  postgres/  valkey/    data of the embedded servers
  log/                  NAME.log of every supervised process
  run/                  lock, endpoints.json, sockets
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from muniment.errors import Conflict, Misconfigured

#: sun_path has 104 bytes on some systems, 108 on Linux; the servers append their own file names.
SOCKET_PATH_BYTES = 100
_LONGEST_SOCKET_NAME = "/postgres/.s.PGSQL.5432.lock"
_PLAIN = re.compile(r"[A-Za-z0-9._/-]+")


class DataFolder:
    """Paths below `MUNIMENT_DATA`; creates the folders that Muniment itself writes to."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().resolve()
        self.run = self.path / "run"
        self.log = self.path / "log"
        self.postgres = self.path / "postgres"
        self.valkey = self.path / "valkey"
        self.lock_file = self.run / "lock"

    def create(self) -> None:
        """Create the folders, accessible only by the owner; raise Misconfigured if that fails."""
        try:
            for folder in (self.path, self.run, self.log):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.run.chmod(0o700)
        except OSError as error:
            raise Misconfigured(
                f"cannot use the data folder {self.path}: {error.strerror}",
                hint="Set MUNIMENT_DATA (or --data) to a writable folder.",
            ) from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Lock the folder; raise Conflict if another process holds it. The lock is released when this process ends."""
        with self.lock_file.open("a+", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise Conflict(
                    f"Muniment is already running on {self.path} (process {file.read().strip() or 'unknown'})",
                    hint="Stop it first, or choose another data folder with MUNIMENT_DATA or --data.",
                ) from None
            except OSError as error:
                raise Misconfigured(
                    f"cannot lock {self.lock_file}: {error.strerror}", hint="The data folder must be on a local disk."
                ) from error
            file.truncate(0)
            file.write(f"{os.getpid()}\n")
            file.flush()
            yield

    @contextmanager
    def sockets(self) -> Iterator[Path]:
        """Yield a folder with mode 0700 for the servers' sockets. Call this while holding the data folder.

        The folder is DATA/run. If that path is too long for a socket, or would need quoting in a URL, it is a
        temporary folder instead. The link DATA/run/sockets points to it, so that the next start can remove it after
        a kill.
        """
        link = self.run / "sockets"
        self._forget(link)
        if _fits(self.run):
            yield self.run
            return
        folder = Path(tempfile.mkdtemp(prefix="muniment-", dir=_temporary_folder()))
        link.symlink_to(folder)
        try:
            yield folder
        finally:
            self._forget(link)

    @staticmethod
    def _forget(link: Path) -> None:
        if link.is_symlink():
            folder = link.readlink()
            if folder.name.startswith("muniment-") and folder.is_dir() and folder.stat().st_uid == os.geteuid():
                shutil.rmtree(folder, ignore_errors=True)
            link.unlink()


def _fits(folder: Path) -> bool:
    text = f"{folder}{_LONGEST_SOCKET_NAME}"
    return len(os.fsencode(text)) <= SOCKET_PATH_BYTES and _PLAIN.fullmatch(str(folder)) is not None


def _temporary_folder() -> str:
    candidates = (tempfile.gettempdir(), "/tmp", "/run")  # noqa: S108 - mkdtemp inside it is safe
    for folder in candidates:
        if _fits(Path(folder, "muniment-xxxxxxxx")) and os.access(folder, os.W_OK):
            return folder
    raise Misconfigured(
        "no folder has a path short enough for the sockets of the embedded servers",
        hint="Set MUNIMENT_DATA or TMPDIR to a shorter path.",
    )
