"""A session with a mailbox in memory, and what services need beside a database."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from muniment.mailserver import ByteBudget, MailSession
from muniment.mailserver.memory import MemoryMailServer
from muniment.mailserver.memory_mailbox import MemoryFolder
from muniment.model.folder_scope import EVERYTHING
from muniment.model.login import Credentials, Identity, LoginKind
from muniment.model.profile import Access, Login, Profile, ProfileKind, Server
from muniment.model.server_kind import GENERIC
from muniment.secrecy import Secret
from muniment.services.resources import Resources
from muniment.settings import Settings
from tests.support.memory_mail import ANNA, folder

SERVER = Server("mail.example.com", 143, Access.IMAP)
NO_DATABASE = cast("Any", None)


def profile(
    *,
    user: str = "archiver",
    method: str = "plain-authzid",
    identity: Identity | None = None,
    server_kind: str = GENERIC.name,
    **changes: Any,
) -> Profile:
    """Return a privileged profile for one mailbox, changed as told."""
    values: dict[str, Any] = {
        "id": 1,
        "name": "all",
        "kind": ProfileKind.MASTER,
        "server": replace(SERVER, kind=server_kind),
        "login": Login(user=user, method=method, identity=identity),
        "max_jobs": 1,
        "folders": EVERYTHING,
    }
    return Profile(**{**values, **changes})


@pytest.fixture
def inbox() -> MemoryFolder:
    """Return a folder with ten messages."""
    return folder("inbox", 10)


@pytest.fixture
def mail(inbox: MemoryFolder) -> MemoryMailServer:
    """Return a mail server with one mailbox, which holds the inbox."""
    return MemoryMailServer({ANNA: {"INBOX": inbox}})


@pytest.fixture
def resources(mail: MemoryMailServer, tmp_path: Path) -> Resources:
    """Return resources without a database: what reaches for it fails."""
    settings = Settings(data=tmp_path, batch_messages=3)
    return Resources(settings=settings, database=NO_DATABASE, budget=ByteBudget(1_000_000), connector=mail)


OpenInbox = Callable[[], Awaitable[MailSession]]


@pytest.fixture
def open_inbox(resources: Resources) -> OpenInbox:
    """Return a function that logs in and opens the inbox."""

    async def opened() -> MailSession:
        credentials = Credentials(LoginKind.LOGIN, ANNA, Secret("secret"))
        session = await resources.connector.open(SERVER, credentials, resources.limits, NO_DATABASE)
        [listed] = await session.list_folders()
        await session.examine(listed)
        return session

    return opened
