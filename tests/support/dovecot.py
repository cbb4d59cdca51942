"""Dovecot for tests: `muniment.demo.dovecot`, skipped if it is not installed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from muniment.demo.dovecot import Dovecot, find_dovecot
from muniment.errors import Misconfigured
from tests.support.memory import fast_disk
from tests.support.missing import missing
from tests.support.ports import free_port

MASTER = "archiver"
MASTER_PASSWORD = "master: p*ss wörd"


@contextmanager
def running_dovecot(*, separator: str = "/", settings: str = "") -> Iterator[Dovecot]:
    """Run a Dovecot in a temporary folder, with the master user of this module and no users yet."""
    try:
        find_dovecot()
    except Misconfigured as error:
        missing(f"{error}. {error.hint}")
    # In memory: on a busy disk, removing the mail of a whole session takes minutes.
    with tempfile.TemporaryDirectory(prefix="muniment-dovecot-", dir=fast_disk()) as name:
        folder = Path(name)
        folder.chmod(0o755)
        server = Dovecot(folder, masters={MASTER: MASTER_PASSWORD}, separator=separator, settings=settings)
        server.port, server.tls_port = free_port(), free_port()
        with server:
            yield server
