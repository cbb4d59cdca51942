"""A session with one mailbox, whichever protocol its server speaks. A port: IMAP, POP3 and memory implement it."""

from __future__ import annotations

from array import array
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol

from muniment.mailserver.attributes import Attributes
from muniment.model.folder import FolderStatus, ServerFolder
from muniment.model.login import LoginKind
from muniment.model.message import FetchedMessage


class Eraser(Protocol):
    """Deletes messages in one folder of a session."""

    @property
    def is_exact(self) -> bool:
        """Whether the server can delete exactly the messages named (UIDPLUS, RFC 4315)."""
        ...

    async def open(self, folder: ServerFolder) -> FolderStatus:
        """Open a folder read-write; CommandRefused if this login may only read it."""
        ...

    async def marked(self) -> set[int]:
        """Return the UIDs of messages that are marked as deleted."""
        ...

    async def erase(self, uids: Sequence[int]) -> None:
        """Delete messages; CommandRefused if the server refuses, perhaps after deleting some of them."""
        ...


class MailSession(Protocol):
    """One logged-in connection to one mailbox. Make one call at a time.

    After the connection is lost, every further call fails at once. Nothing changes on the server except through
    `eraser`. Calls raise ServerUnavailable, ServerThrottled, ServerBusy, ProtocolViolation and CommandRefused.
    """

    @property
    def login_kind(self) -> LoginKind:
        """The login method that succeeded."""
        ...

    @property
    def capabilities(self) -> frozenset[str]:
        """The capabilities that the server offers after the login, in capitals."""
        ...

    @property
    def exists(self) -> int:
        """How many messages the server counts in the open folder now."""
        ...

    @property
    def commands(self) -> int:
        """How many commands were sent, a measure of round trips."""
        ...

    async def list_folders(self) -> list[ServerFolder]:
        """Return every folder that can be opened, with its STATUS if the server reports it."""
        ...

    async def examine(self, folder: ServerFolder) -> FolderStatus:
        """Open a folder read-only; UIDVALIDITY is 0 if the server has none."""
        ...

    async def search_uids(self, criteria: str = "ALL") -> array[int]:
        """Return the UIDs that match in the open folder, ascending and distinct."""
        ...

    async def matching(self, uids: Sequence[int], keys: str) -> list[int]:
        """Return the UIDs that may match `keys`; includes false positives if the server truncates SEARCH."""
        ...

    async def sizes(self, uids: Sequence[int]) -> Mapping[int, int]:
        """Return RFC822.SIZE in bytes by UID; a message that is gone has no entry."""
        ...

    async def attributes(self, uids: Sequence[int], *, with_head: bool = False) -> dict[int, Attributes]:
        """Return flags, INTERNALDATE and size by UID, and the address and subject fields if `with_head`."""
        ...

    async def heads(self, uids: Sequence[int]) -> dict[int, bytes]:
        """Return the header of each message up to the blank line; what the server does not send has no entry."""
        ...

    async def oldest_messages(self, count: int = 3) -> list[tuple[int, str]]:
        """Return the UIDs of the first messages, and the header fields and date that tell deliveries apart."""
        ...

    @property
    def search_cap(self) -> int:
        """The length at which the server truncates SEARCH; 0 if it was never seen to."""
        ...

    async def fetched_order(self, count: int) -> list[int]:
        """Return the UIDs of the first messages in the order in which FETCH answers."""
        ...

    async def make_room(self, size: int) -> None:
        """Wait until `size` bytes may be fetched; ServerBusy if the server wants a long pause."""
        ...

    def fetch(self, uids: Sequence[int]) -> AsyncGenerator[FetchedMessage, None]:
        """Yield messages of the open folder; close each `raw`, and leave with `contextlib.aclosing`."""
        ...

    def eraser(self) -> Eraser:
        """Return the part of the session that deletes messages."""
        ...

    async def logout(self) -> None:
        """Log out and close the connection; never raises."""
        ...

    def abort(self) -> None:
        """Close the connection at once."""
        ...
