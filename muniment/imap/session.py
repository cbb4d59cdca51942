"""A session: one logged-in connection to one mailbox, read-only."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncGenerator, Sequence

from muniment.errors import MunimentError
from muniment.imap import folders, login, tokens
from muniment.imap.attributes import fetch_attributes, fetch_heads, fetch_labels, fetch_sizes
from muniment.imap.connect import connect, drop
from muniment.imap.eraser import Eraser
from muniment.imap.fetching import fetch_messages
from muniment.imap.flags import fetch_flags
from muniment.imap.opening import open_folder
from muniment.imap.protocol import ImapProtocol
from muniment.imap.refusal import message_error
from muniment.imap.searching import UidSearch
from muniment.imap.tokens import Part
from muniment.imap.uids import fetch_items
from muniment.mailserver.attributes import Attributes
from muniment.mailserver.budget import ListShare
from muniment.mailserver.limits import Limits
from muniment.mailserver.server_text import shown
from muniment.model.folder import FolderStatus, ServerFolder
from muniment.model.login import Credentials, LoginKind
from muniment.model.message import FetchedMessage
from muniment.model.profile import Server

_DELIVERY_FIELDS = b"MESSAGE-ID DATE TO DELIVERED-TO X-ORIGINAL-TO ENVELOPE-TO RECEIVED"
_LOGOUT_SECONDS = 5.0


class ImapSession:
    """One logged-in connection; make one call at a time.

    Only its `eraser` changes anything on the server: folders are opened with EXAMINE and bodies fetched with PEEK.
    Every call raises only errors of `muniment.errors`. After the connection has failed, every further call fails
    at once.
    """

    def __init__(self, protocol: ImapProtocol, limits: Limits, login_kind: LoginKind) -> None:
        self._protocol = protocol
        #: The login method used.
        self.login_kind = login_kind
        self._limits = limits
        self._share = ListShare(limits.budget)
        self._search = UidSearch(protocol, self._share)

    @classmethod
    async def open(cls, server: Server, credentials: Credentials, limits: Limits) -> ImapSession:
        """Connect as `server.access` says and log in; raise ServerBusy if the connection limit is reached."""
        protocol = await connect(server, limits)
        try:
            kind = await login.log_in(protocol, credentials)
        except BaseException as error:
            await drop(protocol, error)
            raise
        protocol.slot.logged_in()
        return cls(protocol, limits, kind)

    @property
    def capabilities(self) -> frozenset[str]:
        """The server's capabilities after the login, in upper case."""
        return self._protocol.capabilities

    @property
    def alerts(self) -> Sequence[str]:
        """What the server wants a person to know (RFC 9051 §7.1), each text once."""
        return self._protocol.alerts

    @property
    def exists(self) -> int:
        """Number of messages in the open folder, as last reported by the server."""
        return self._protocol.exists

    @property
    def commands(self) -> int:
        """Number of commands sent so far: approximately the number of round trips."""
        return self._protocol.commands

    async def list_folders(self) -> list[ServerFolder]:
        """Return every selectable folder, with its status if the server provides one."""
        return await folders.list_folders(self._protocol)

    async def examine(self, folder: ServerFolder) -> FolderStatus:
        """Open a folder read-only; a missing UIDVALIDITY is returned as 0."""
        self._share.clear()
        return await open_folder(self._protocol, folder)

    def eraser(self) -> Eraser:
        """Return the object that deletes messages of this mailbox; nothing else here changes anything."""
        return Eraser(self._protocol, self._search)

    async def search_uids(self, criteria: str = "ALL") -> array[int]:
        """Return the UIDs that match in the open folder, ascending and distinct.

        `ALL`, `UID n:*` and `UID` with a set of numbers are complete even if the server truncates SEARCH
        results, and `UID n:*` never returns a UID below n (RFC 9051 §6.4.8: `*` may be below n). For any
        other criteria, the server's result is returned unchanged.
        """
        return await self._search.uids(criteria)

    async def sizes(self, uids: Sequence[int]) -> dict[int, int]:
        """Return RFC822.SIZE in bytes by UID; an expunged message has no entry."""
        return await fetch_sizes(self._protocol, uids)

    async def matching(self, uids: Sequence[int], keys: str) -> list[int]:
        """Return the UIDs that may match `keys`; includes false positives if the server truncates SEARCH."""
        return await self._search.matching(uids, keys)

    async def labels(self, uids: Sequence[int]) -> dict[int, Sequence[bytes]]:
        """Return Gmail's labels by UID, as on the wire; a message whose labels are not told has no entry."""
        return await fetch_labels(self._protocol, uids)

    async def attributes(self, uids: Sequence[int], *, with_head: bool = False) -> dict[int, Attributes]:
        """Return flags, date and size (and header fields) by UID; an expunged or refused message has no entry."""
        return await fetch_attributes(self._protocol, uids, with_head=with_head)

    async def flags(self, first: int, last: int | None, *, since: int | None = None) -> dict[int, tuple[str, ...]]:
        """Return flags by UID, from `first` to `last` (None: to the end), or those changed after a mod-sequence."""
        return await fetch_flags(self._protocol, first, last, since)

    async def heads(self, uids: Sequence[int]) -> dict[int, bytes]:
        """Return the header of each message, up to the blank line, by UID; an undelivered message has no entry."""
        return await fetch_heads(self._protocol, uids)

    async def oldest_messages(self, count: int = 3) -> list[tuple[int, str]]:
        """Return (UID, header fields that distinguish deliveries plus INTERNALDATE) of the first messages.

        Two mailboxes with equal results are the same mailbox: a copy for another recipient has a different
        delivery time or address. A refused message is omitted.
        """
        oldest: dict[int, str] = {}

        def take(keyword: bytes, parts: list[Part]) -> bool:
            before = len(oldest)
            if keyword == b"FETCH":
                items = fetch_items(parts)
                header = next((v for k, v in items.items() if k.startswith(b"BODY[HEADER")), None)
                # A response with neither is an unsolicited flag update of another message.
                answers = header is not None or b"INTERNALDATE" in items
                if b"UID" in items and answers and isinstance(header, bytes | None) and len(oldest) < count:
                    date = items.get(b"INTERNALDATE")
                    oldest[tokens.number(items[b"UID"])] = _identity(header, date if isinstance(date, bytes) else b"")
            return len(oldest) > before

        if self._protocol.exists:
            words = [
                b"1:%d" % min(count, self._protocol.exists),
                b"(UID INTERNALDATE BODY.PEEK[HEADER.FIELDS (" + _DELIVERY_FIELDS + b")])",
            ]
            status = await self._protocol.run("FETCH", words, on_data=take)
            if not status.ok and not oldest:
                raise message_error(status, "FETCH of header fields", self._protocol.peer)
        return sorted(oldest.items())[:count]

    @property
    def search_cap(self) -> int:
        """The number of UIDs at which the server truncates SEARCH results; 0 if it was never seen doing so."""
        return self._search.cap

    async def fetched_order(self, count: int) -> list[int]:
        """Return the UIDs of the first messages of the open folder, in the order of the FETCH responses."""
        order: list[int] = []

        def take(keyword: bytes, parts: list[Part]) -> bool:
            uid = fetch_items(parts).get(b"UID") if keyword == b"FETCH" else None
            if uid is not None:
                order.append(tokens.number(uid))
            return uid is not None

        if self._protocol.exists:
            words = [b"1:%d" % min(count, self._protocol.exists), b"(UID)"]
            status = await self._protocol.run("FETCH", words, on_data=take)
            if not status.ok:
                raise message_error(status, "FETCH of UIDs", self._protocol.peer)
        return order

    async def make_room(self, size: int) -> None:
        """Wait until the rate limits allow fetching `size` bytes; raise ServerBusy if the pause is long."""
        await self._protocol.slot.spend(size=size)

    def fetch(self, uids: Sequence[int]) -> AsyncGenerator[FetchedMessage, None]:
        """Yield the messages of the open folder with these UIDs, each as soon as it is complete.

        The caller must close each `raw`. Reading pauses while more than two batches are queued.
        Exiting the iterator early closes the connection (use `contextlib.aclosing`).
        """
        return fetch_messages(self._protocol, uids, self._limits)

    async def logout(self) -> None:
        """Send LOGOUT and close. Never raises and never takes longer than a few seconds."""
        self._protocol.expect_bye()
        try:
            async with asyncio.timeout(_LOGOUT_SECONDS):
                await self._protocol.run("LOGOUT")
        except (MunimentError, TimeoutError):
            pass  # the server may close the connection without an answer
        finally:
            self.abort()
        await self._protocol.wait_closed()

    def abort(self) -> None:
        """Drop the connection at once; a call in progress fails."""
        self._share.clear()
        self._protocol.abort()


def _identity(header: bytes | None, date: bytes) -> str:
    """Return the unfolded header fields and the date as one string."""
    value = b" ".join((header or b"").split())
    return f"{shown(value)} {shown(date)}".strip()
