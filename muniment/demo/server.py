"""A private mail server: a process group in the foreground, which is up when its port answers."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from muniment.demo.account import Account
from muniment.embedded.child import command as dying_with_us
from muniment.errors import Misconfigured
from muniment.settings import without_settings

_POLL_SECONDS = 0.02
_KILL_SECONDS = 5
_DESCRIPTORS = 65_536  # the hard limit may be a billion, and servers loop over all descriptors


class ServerProcess:
    """Starts and stops one server program with all its child processes."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id, or None if the server is not running."""
        return self._process.pid if self._process else None

    def start(
        self,
        port: int,
        *,
        account: Account | None = None,
        environ: Mapping[str, str] | None = None,
        timeout: float = 30,
    ) -> None:
        """Start the program (as `account` if given) and wait until `port` greets; else Misconfigured, with the log."""
        if self._process:
            return
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        descriptors = _DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _DESCRIPTORS)
        changes_user = account is not None and os.geteuid() == 0
        limited = ("/bin/sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh", *self._command)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                # `dying_with_us` ends it even if this process is killed; another account may be unable to read it.
                limited if account else dying_with_us(limited, None, signal.SIGTERM),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={**without_settings(os.environ), **(environ or {})},
                start_new_session=True,  # Ctrl-C reaches only this process, which stops the server in order
                user=account.uid if account and changes_user else None,
                group=account.gid if account and changes_user else None,
                extra_groups=[] if changes_user else None,
            )
        try:
            self._wait_for_greeting(port, time.monotonic() + timeout)
        except BaseException:
            self.kill()
            raise

    def stop(self, timeout: float = 10) -> None:
        """Stop the server with SIGTERM, and kill it after `timeout` seconds; idempotent."""
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                pass
            self.kill()

    def kill(self) -> None:
        """Kill the whole process group (SIGKILL), like a crash."""
        if self._process:
            group = self._process.pid
            deadline = time.monotonic() + _KILL_SECONDS
            # Wait for the last child: one that still listens would answer the next client.
            while _signal_group(group) and time.monotonic() < deadline:
                self._process.poll()
                time.sleep(_POLL_SECONDS)
            self._process.wait()
            self._process = None

    def _wait_for_greeting(self, port: int, deadline: float) -> None:
        while not _greets(port):
            assert self._process is not None
            if self._process.poll() is not None:
                raise Misconfigured(f"{self.name} did not start", hint=self._last_words())
            if time.monotonic() > deadline:
                raise Misconfigured(f"{self.name} does not respond on port {port}", hint=self._last_words())
            time.sleep(_POLL_SECONDS)

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-5:]
        return " / ".join(lines) or f"Its log {self.log} is empty."


def _signal_group(group: int) -> bool:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _greets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return connection.recv(4) == b"* OK"
    except OSError:
        return False
