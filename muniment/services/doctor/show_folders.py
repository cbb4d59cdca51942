"""Show which folders of a mailbox a profile archives, and why, without archiving anything."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from muniment.services.access.audit import Action, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.doctor.try_mailbox import tried_mailbox
from muniment.services.mailboxes.effective_folders import EffectiveFolder, effective_folders, unused_patterns
from muniment.services.resources import Resources


@dataclass(frozen=True)
class MailboxFolders:
    """The folders of one mailbox; `unused`: patterns of the profile that match none of them."""

    mailbox: str
    folders: list[EffectiveFolder]
    unused: list[str]


@audited(Action.FOLDERS_LISTED, "name", details=("mailbox",), ahead=True)
async def show_folders(
    principal: Principal, resources: Resources, name: str, mailbox: str | None = None
) -> MailboxFolders:
    """Log in to one mailbox of the profile (by default the first) and decide about each of its folders.

    Raises what a session raises; NotFound if the profile or mailbox does not exist.
    """
    principal.require(Right.ARCHIVE, Right.MODIFY_PROFILES)
    async with tried_mailbox(resources, name, mailbox) as tried:
        profile, listed = tried.profile, tried.listed
    folders = await asyncio.to_thread(effective_folders, listed, profile.folders, profile.server_kind)
    unused = await asyncio.to_thread(unused_patterns, listed, profile.folders)
    return MailboxFolders(tried.address, folders, [pattern.text for pattern in unused])
