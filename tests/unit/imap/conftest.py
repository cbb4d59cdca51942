"""A scripted server and a session on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from muniment.imap import ImapSession
from muniment.mailserver import Limits
from muniment.model.login import Credentials, LoginKind
from muniment.model.profile import Access, Server
from muniment.secrecy import Secret
from tests.support.imap_script import Script
from tests.support.imap_server import ImapServer

ALICE = "alice@example.com"
LOGIN = Credentials(LoginKind.LOGIN, ALICE, Secret("alice's password"))

OpenSession: TypeAlias = Callable[[Script], AbstractAsyncContextManager[tuple[ImapSession, ImapServer]]]


@pytest.fixture
def limits(tmp_path: Path) -> Limits:
    """Small limits that tests can reach."""
    return Limits(
        batch_messages=50, batch_bytes=100_000, spool_bytes=20_000, max_message_bytes=500_000, spool=tmp_path / "spool"
    )


def server_of(server: ImapServer, *, access: Access = Access.IMAP, timeout_seconds: float = 10.0) -> Server:
    """Return the address of a scripted server."""
    return Server("127.0.0.1", server.port, access, timeout_seconds=timeout_seconds)


@pytest.fixture
def opened(limits: Limits) -> OpenSession:
    """Return a context manager that runs a script and logs in to it."""

    @asynccontextmanager
    async def open_session(script: Script) -> AsyncIterator[tuple[ImapSession, ImapServer]]:
        async with ImapServer(script) as server:
            session = await ImapSession.open(server_of(server), LOGIN, limits)
            try:
                yield session, server
            finally:
                await session.logout()

    return open_session
