"""A session with one mailbox, independent of the protocol. A port: IMAP, POP3 and memory implement it."""

from __future__ import annotations

from array import array
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from muniment.mailserver.attributes import Attributes
from muniment.model.folder import FolderStatus, ServerFolder
from muniment.model.login import LoginKind
from muniment.model.message import FetchedMessage


class Eraser(Protocol):
    """Deletes messages in one folder of a session."""

    @property
    def is_exact(self) -> bool:
        """Whether the server can delete only the given messages (UIDPLUS, RFC 4315)."""
        ...

    async def open(self, folder: ServerFolder) -> FolderStatus:
        """Open a folder read-write; raise CommandRefused if this login may only read."""
        ...

    async def marked(self) -> set[int]:
        """Return the UIDs of messages that are marked as deleted."""
        ...

    async def erase(self, uids: Sequence[int]) -> None:
        """Delete messages; raise CommandRefused if the server refuses, in which case some may be gone."""
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
        """The server's capabilities after the login, in upper case."""
        ...

    @property
    def alerts(self) -> Sequence[str]:
        """What the server wants a person to know (RFC 9051 §7.1), each text once."""
        ...

    @property
    def exists(self) -> int:
        """Number of messages in the open folder, as last reported by the server."""
        ...

    @property
    def commands(self) -> int:
        """Number of commands sent so far: approximately the number of round trips."""
        ...

    async def list_folders(self) -> list[ServerFolder]:
        """Return every selectable folder, with its STATUS if the server provides one."""
        ...

    async def examine(self, folder: ServerFolder) -> FolderStatus:
        """Open a folder read-only; a missing UIDVALIDITY is returned as 0."""
        ...

    async def search_uids(self, criteria: str = "ALL") -> array[int]:
        """Return the UIDs that match in the open folder, ascending and distinct."""
        ...

    async def matching(self, uids: Sequence[int], keys: str) -> list[int]:
        """Return the UIDs that may match `keys`; includes false positives if the server truncates SEARCH."""
        ...

    async def sizes(self, uids: Sequence[int]) -> Mapping[int, int]:
        """Return RFC822.SIZE in bytes by UID; an expunged message has no entry."""
        ...

    async def labels(self, uids: Sequence[int]) -> Mapping[int, Sequence[bytes]]:
        """Return Gmail's labels by UID, as on the wire; a message whose labels are not told has no entry."""
        ...

    async def attributes(self, uids: Sequence[int], *, with_head: bool = False) -> dict[int, Attributes]:
        """Return flags, INTERNALDATE and size by UID, and the address and subject fields if `with_head`."""
        ...

    async def flags(self, first: int, last: int | None, *, since: int | None = None) -> dict[int, tuple[str, ...]]:
        """Return flags by UID, from `first` to `last` (None: to the end); empty if the protocol has none.

        `since`: only of messages changed after this mod-sequence (RFC 7162), if the server offers CONDSTORE.
        """
        ...

    async def heads(self, uids: Sequence[int]) -> dict[int, bytes]:
        """Return the header of each message, up to the blank line, by UID; an undelivered message has no entry."""
        ...

    async def oldest_messages(self, count: int = 3) -> list[tuple[int, str]]:
        """Return the UIDs of the first messages, with the header fields and date that distinguish deliveries."""
        ...

    @property
    def search_cap(self) -> int:
        """The number of UIDs at which the server truncates SEARCH results; 0 if it was never seen doing so."""
        ...

    async def fetched_order(self, count: int) -> list[int]:
        """Return the UIDs of the first messages, in the order of the FETCH responses."""
        ...

    async def make_room(self, size: int) -> None:
        """Wait until the rate limits allow fetching `size` bytes; raise ServerBusy if the pause is long."""
        ...

    def fetch(self, uids: Sequence[int]) -> AsyncGenerator[FetchedMessage, None]:
        """Yield messages of the open folder; close each `raw`, and use `contextlib.aclosing`."""
        ...

    def eraser(self) -> Eraser:
        """Return the object that deletes messages of this mailbox."""
        ...

    async def logout(self) -> None:
        """Log out and close the connection; never raises."""
        ...

    def abort(self) -> None:
        """Drop the connection at once."""
        ...


@runtime_checkable
class ListsInParts(Protocol):
    """A session whose server may show another part of the mailbox in the next one (POP3).

    `search_uids` returns what any list of this session has shown and the server was not told to delete.
    """

    @property
    def fetched(self) -> frozenset[int]:
        """UIDs of messages that were read since the last list."""
        ...

    @property
    def shows_more(self) -> bool:
        """Whether the last list showed messages that no earlier one of this visit did."""
        ...

    def settle(self, uids: Iterable[int]) -> None:
        """Report that these messages are archived. As long as others were read, the session ends without QUIT.

        QUIT makes some servers hide or delete what was read.
        """
        ...

    def recognise(self, archived: Collection[int]) -> None:
        """Take the messages that earlier sessions read and that are archived, before others are fetched."""
        ...

    async def list_again(self) -> None:
        """End the session and open the next one. Call it when everything fetched is stored."""
        ...

    async def advance(self, archived: Collection[int], before: str) -> bool:
        """Read archived messages again that the server still lists; return whether it hides them and shows others now.

        A server that hides what was read goes on only after that, if an earlier session read them and broke off.
        """
        ...

    def enough(self, before: str) -> int:
        """Return how many lists in a row must show nothing new; `before`: the doubt at the end of the last visit.

        0: the server does not tell what is new.
        """
        ...

    def doubt(self, before: str) -> str:
        """Return why the lists may be only a part of the mailbox, as a clause; empty if nothing suggests that."""
        ...
