"""Diagnose an open mailbox: capabilities, folders, UIDVALIDITY, SEARCH and FETCH."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from itertools import pairwise

from muniment.errors import CommandRefused
from muniment.mailserver import ListsInParts, MailSession
from muniment.model.finding import Finding, failed, fine, warning
from muniment.model.folder import ServerFolder, messages_in
from muniment.model.profile import Profile, Server
from muniment.services.mailboxes.check_mailbox import EMPTY_MAILBOX
from muniment.services.mailboxes.effective_folders import EffectiveFolder, effective_folders

#: Capabilities that help, and how.
_USEFUL = {
    "LIST-STATUS": "one round trip tells all folders",
    "CONDSTORE": "changes of flags are seen",
    "SPECIAL-USE": "folders for junk and deleted mail are marked",
    "NAMESPACE": "other users' folders are told apart",
    "ESEARCH": "answers to SEARCH are short",
}
_LOOKED_AT = 100


async def diagnose_mailbox(
    session: MailSession, listed: Sequence[ServerFolder], server: Server, profile: Profile | None
) -> AsyncGenerator[Finding, None]:
    """Yield findings about an open mailbox; `profile` is None for a CSV file that is not a profile yet."""
    for text in session.alerts:
        yield warning("alert", text, "The mail server wants a person to know this; it may need to be answered there.")
    if server.access.is_pop3:
        yield fine("messages", f"{session.exists} in the inbox")
        if listed[0].status is not None and not listed[0].status.uidvalidity:
            yield _WITHOUT_UIDL
        if isinstance(session, ListsInParts) and (doubt := session.doubt("")):
            yield warning("list", f"may be a part of the mailbox: {doubt}", _USE_IMAP)
        return
    yield _capabilities(session, profile)
    effective = await _effective(listed, profile)
    archived = [decision.folder for decision in effective if decision.is_archived]
    yield _folders(effective)
    if all(folder.status is not None and folder.status.messages == 0 for folder in listed):
        yield warning("messages", "none", EMPTY_MAILBOX.capitalize() + ".")
    unlasting = [folder for folder in archived if folder.status is not None and not folder.status.uidvalidity]
    if unlasting:
        yield warning(
            "UIDVALIDITY",
            f"missing in {len(unlasting)} folders, like {'/'.join(unlasting[0].path)}",
            "These folders are fetched again in each run, and nothing is deleted there; tell the server's maker.",
        )
    largest = max(archived, key=_messages, default=None)
    if largest is not None and _messages(largest):
        async for finding in _look_into(session, largest):
            yield finding


_USE_IMAP = (
    "A run goes on until the server lists nothing new, but cannot prove that nothing is missing, and deletes nothing. "
    "Use IMAP if it is offered, and have the server keep what POP3 clients read."
)
_WITHOUT_UIDL = warning(
    "UIDL", "not offered", "All messages are fetched in each run, and nothing is deleted; use IMAP, or another server."
)


def _messages(folder: ServerFolder) -> int:
    return 1 if folder.status is None else folder.status.messages or 0


async def _effective(listed: Sequence[ServerFolder], profile: Profile | None) -> list[EffectiveFolder]:
    if profile is None:
        return [EffectiveFolder(folder, is_archived=True, reason="") for folder in listed]
    return await asyncio.to_thread(effective_folders, listed, profile.folders, profile.server_kind)


def _capabilities(session: MailSession, profile: Profile | None) -> Finding:
    missing = {name: use for name, use in _USEFUL.items() if name not in session.capabilities}
    if profile is not None and profile.deletion and "UIDPLUS" not in session.capabilities:
        return warning(
            "capabilities", "UIDPLUS is missing", "Nothing is deleted there unless you accept the risk in words."
        )
    if not missing:
        return fine("capabilities", "complete")
    # None is required; without them archiving is only slower.
    return fine("capabilities", "without " + ", ".join(f"{name} ({use})" for name, use in missing.items()))


def _folders(effective: Sequence[EffectiveFolder]) -> Finding:
    archived = [decision.folder for decision in effective if decision.is_archived]
    count = messages_in(archived)
    told = "messages not told before a folder is opened" if count is None else f"{count} messages"
    found = f"{len(archived)} of {len(effective)} are archived, {told}"
    if not archived:
        return failed("folders", found, "`muniment profile folders NAME` says why each is out.")
    return fine("folders", found)


async def _look_into(session: MailSession, folder: ServerFolder) -> AsyncGenerator[Finding, None]:
    name = "/".join(folder.path)
    try:
        status = await session.examine(folder)
        uids = await session.search_uids()
        order = await session.fetched_order(_LOOKED_AT)
    except CommandRefused as error:
        yield failed("reading", f"{name}: {error}", "Give this login the right to read its folders on the mail server.")
        return
    counted = min(status.messages or 0, session.exists)
    if len(uids) < counted:
        yield warning(
            "SEARCH",
            f"{name} counts {counted} messages and lists {len(uids)}",
            "The folder stays incomplete: look on the server at what it hides, or repair the folder there.",
        )
    elif session.search_cap:
        yield warning(
            "SEARCH",
            f"{name}: the server lists at most {session.search_cap} messages",
            "Nothing: Muniment asks otherwise then.",
        )
    else:
        yield fine("SEARCH", f"{name}: all {len(uids)} messages are listed")
    if any(later < earlier for earlier, later in pairwise(order)):
        yield fine("FETCH", f"{name}: answers come in another order than asked for, which is taken care of")
    else:
        yield fine("FETCH", f"{name}: answers come in order")
