"""A session with a mailbox, whichever protocol its server speaks."""

from __future__ import annotations

from array import array
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol

from muniment.db import pop3
from muniment.imap import ImapSession
from muniment.mailserver import Attributes
from muniment.model.folder import FolderStatus, ServerFolder
from muniment.model.login import Credentials, LoginKind
from muniment.model.message import FetchedMessage
from muniment.model.profile import Server
from muniment.pop3 import Pop3Session
from muniment.services.resources import Resources


class Eraser(Protocol):
    """Deletes messages of one folder; see `imap.eraser.Eraser`."""

    @property
    def is_exact(self) -> bool:
        """Whether exactly the messages go that are named."""
        ...

    async def open(self, folder: ServerFolder) -> FolderStatus:
        """Open a folder to delete in it."""
        ...

    async def marked(self) -> set[int]:
        """Return the UIDs of messages that somebody has marked as deleted."""
        ...

    async def erase(self, uids: Sequence[int]) -> None:
        """Delete these messages."""
        ...


class MailSession(Protocol):
    """One logged-in connection to one mailbox; see `ImapSession`, whose words these are."""

    @property
    def login_kind(self) -> LoginKind:
        """How it was logged in."""
        ...

    @property
    def capabilities(self) -> frozenset[str]:
        """What the server offers."""
        ...

    @property
    def exists(self) -> int:
        """Messages that the server counts in the open folder now."""
        ...

    @property
    def commands(self) -> int:
        """Commands sent so far."""
        ...

    async def list_folders(self) -> list[ServerFolder]:
        """Return every folder that can be opened."""
        ...

    async def examine(self, folder: ServerFolder) -> FolderStatus:
        """Open a folder read-only."""
        ...

    async def search_uids(self, criteria: str = "ALL") -> array[int]:
        """Return the UIDs that match in the open folder, ascending."""
        ...

    async def matching(self, uids: Sequence[int], keys: str) -> list[int]:
        """Return those of `uids` that a SEARCH for `keys` may be about."""
        ...

    async def sizes(self, uids: Sequence[int]) -> Mapping[int, int]:
        """Return sizes in bytes by UID."""
        ...

    async def attributes(self, uids: Sequence[int], *, with_head: bool = False) -> dict[int, Attributes]:
        """Return flags, date and size (and header fields) by UID."""
        ...

    async def heads(self, uids: Sequence[int]) -> dict[int, bytes]:
        """Return the header of each message."""
        ...

    async def oldest_messages(self, count: int = 3) -> list[tuple[int, str]]:
        """Return UID and what tells deliveries apart of the first messages."""
        ...

    @property
    def search_cap(self) -> int:
        """The most UIDs that the server names at once, where that is fewer than there are; else 0."""
        ...

    async def fetched_order(self, count: int) -> list[int]:
        """Return the UIDs of the first messages, in the order in which they are told of."""
        ...

    async def make_room(self, size: int) -> None:
        """Wait until so many bytes may be asked for."""
        ...

    def fetch(self, uids: Sequence[int]) -> AsyncGenerator[FetchedMessage, None]:
        """Yield the messages of the open folder with these UIDs."""
        ...

    def eraser(self) -> Eraser:
        """Return what deletes messages of this mailbox."""
        ...

    async def logout(self) -> None:
        """Say goodbye and close; never raises."""
        ...

    def abort(self) -> None:
        """Drop the connection at once."""
        ...


async def open_session(
    resources: Resources, server: Server, credentials: Credentials, mailbox_id: int, *, to_archive: bool = False
) -> MailSession:
    """Log in to a mailbox; raises what `muniment.imap` and `muniment.pop3` raise.

    `mailbox_id` (0: none yet) is what the ids of POP3 belong to; they get their numbers for good only `to_archive`.
    """
    if not server.access.is_pop3:
        return await ImapSession.open(server, credentials, resources.limits)

    async def numbered(uidls: Sequence[str]) -> dict[str, int]:
        async with resources.database.transaction() as session:
            count = pop3.number if to_archive else pop3.look_up
            return await count(session, mailbox_id, uidls)

    return await Pop3Session.open(server, credentials, resources.limits, numbered)
