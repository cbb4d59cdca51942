"""The archive path with a mail server within the process."""

from __future__ import annotations

import pytest

from muniment.mailserver.memory import MemoryMailServer
from tests.support.harness import Harness
from tests.support.memory_mail import ANNA, MemoryWorld, mailbox


@pytest.fixture
def world(harness: Harness) -> MemoryWorld:
    """Return an installation whose mail server has one mailbox of two folders; batches of three messages."""
    mail = MemoryMailServer({ANNA: mailbox("anna")})
    return MemoryWorld(harness, mail).with_resources(connector=mail).with_settings(batch_messages=3)
