"""Dovecot for tests: `muniment.demo.dovecot`, skipped where it is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from muniment.demo.dovecot import Dovecot, find_dovecot
from muniment.errors import Misconfigured
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
    server = Dovecot(masters={MASTER: MASTER_PASSWORD}, separator=separator, settings=settings)
    server.port, server.tls_port = free_port(), free_port()
    with server:
        yield server
