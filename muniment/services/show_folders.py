"""Look which folders of a mailbox a profile archives, without archiving anything."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from muniment.db import profiles
from muniment.imap import ImapSession
from muniment.services.credentials import open_logins
from muniment.services.doors import Doors
from muniment.services.effective_folders import EffectiveFolder, effective_folders, unused_patterns


@dataclass(frozen=True)
class MailboxFolders:
    """The folders of one mailbox; `unused`: patterns of the profile that fit none of them."""

    mailbox: str
    folders: list[EffectiveFolder]
    unused: list[str]


async def show_folders(doors: Doors, name: str, mailbox: str | None = None) -> MailboxFolders:
    """Log in to one mailbox of the profile (the first, unless named) and decide about each of its folders.

    Raises what `muniment.imap` raises; NotFound when profile or mailbox do not exist.
    """
    async with doors.database.session() as db:
        profile = await profiles.find(db, name)
        found = await profiles.test_mailbox(db, profile, mailbox)
        stored = await profiles.get(db, profile.id)
    logins = await open_logins(stored, doors.secrets)
    credentials = logins.of_mailbox(found.address, found.user_name, found.own_login)
    session = await ImapSession.open(profile.server, credentials, doors.limits)
    try:
        listed = await session.list_folders()
        await session.logout()
    finally:
        session.abort()
    folders = await asyncio.to_thread(effective_folders, listed, profile.folders, profile.server_kind)
    unused = await asyncio.to_thread(unused_patterns, listed, profile.folders)
    return MailboxFolders(found.address, folders, [pattern.text for pattern in unused])
