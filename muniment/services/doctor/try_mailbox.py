"""Open one mailbox of a profile to look at it; nothing is archived."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from muniment.db import profiles
from muniment.mailserver import MailSession
from muniment.model.folder import ServerFolder
from muniment.model.profile import Profile
from muniment.services.mailboxes.credentials import open_logins
from muniment.services.mailboxes.open_session import open_session
from muniment.services.resources import Resources


@dataclass(frozen=True)
class TriedMailbox:
    """An open session and the folders it lists."""

    profile: Profile
    address: str
    session: MailSession
    listed: list[ServerFolder]


@asynccontextmanager
async def tried_mailbox(resources: Resources, name: str, mailbox: str | None) -> AsyncIterator[TriedMailbox]:
    """Log in to one mailbox of the profile (by default the first), and log out at the end.

    Raises what a session raises; NotFound if the profile or mailbox does not exist.
    """
    async with resources.database.session() as db:
        profile = await profiles.find(db, name)
        found = await profiles.test_mailbox(db, profile, mailbox)
        stored = await profiles.get(db, profile.id)
    logins = await open_logins(resources, stored)
    login = logins.of_mailbox(found)
    session = await open_session(resources, login.server, login.credentials, found.mailbox_id)
    try:
        yield TriedMailbox(profile, found.address, session, await session.list_folders())
        await session.logout()
    finally:
        session.abort()
