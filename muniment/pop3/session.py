"""A session: one logged-in POP3 connection with the interface of an IMAP session and a single folder.

UIDs are our own numbers for the server's unique ids (UIDL, RFC 1939 §7); the caller that opens the session assigns
them. A server without UIDL is treated like one without UIDVALIDITY: its messages are recognised by content.

A list may be a part of the mailbox (`Listings`); `list_again` asks for another part. QUIT makes some servers hide or
delete what was read, so it is sent only if everything that was read is archived.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress

from muniment.errors import (
    CommandRefused,
    MunimentError,
    ServerThrottled,
    ServerUnavailable,
)
from muniment.mailserver import Attributes, Limits
from muniment.mailserver.sasl import check_sendable
from muniment.mailserver.spool import Discarded
from muniment.model.folder import FolderStatus, ServerFolder
from muniment.model.login import Credentials
from muniment.model.message import FetchedMessage
from muniment.model.profile import Server
from muniment.pop3.bodies import BodySink, DigestSink, HeadSink
from muniment.pop3.connection import Pop3Connection
from muniment.pop3.eraser import Pop3Eraser
from muniment.pop3.listings import UNCONFIRMED, Listings
from muniment.pop3.opening import greeted, listing, log_in
from muniment.pop3.sizes import announced_size

#: The only folder, and the UIDVALIDITY for the UIDs that we assign: "POP3" in ASCII, which hardly an IMAP server has.
INBOX = ServerFolder(b"INBOX", ("INBOX",), frozenset(), None)
UIDVALIDITY = 0x504F5033

_COUNTED = re.compile(rb"\+OK (\d{1,10}) \d.*", re.DOTALL)  # the answer to STAT
_EXPIRES_AT_ONCE = re.compile(r"EXPIRE +0+(?: .*)?")  # RFC 2449 §6.7
_UID_SET = re.compile(r"UID ([\d:,]+)", re.IGNORECASE)

#: Assigns a permanent number to each unique id of a mailbox.
Numbering = Callable[[Sequence[str]], Awaitable[dict[str, int]]]


class Pop3Session:
    """One logged-in connection; make one call at a time. Only its `eraser` changes anything on the server."""

    def __init__(self, server: Server, credentials: Credentials, limits: Limits, numbering: Numbering) -> None:
        self._server = server
        self._credentials = credentials
        self._limits = limits
        self._numbering = numbering
        self._connection: Pop3Connection | None = None
        self._messages: dict[int, int] = {}  # UID → message number in this session
        self._sizes: dict[int, int] = {}  # by message number
        self._exists = 0
        self._listings = Listings()
        self._fetched: set[int] = set()  # since the last list
        self._unsettled: set[int] = set()  # read since the last list, and not known to be archived
        self._lowest = 0  # the message number that the last list began with
        self._first = b""  # the digest of that message, once it was read
        self._has_uidl = True
        self._commands = 0  # sent on earlier connections
        self.login_kind = credentials.kind
        self.capabilities: frozenset[str] = frozenset()

    @classmethod
    async def open(cls, server: Server, credentials: Credentials, limits: Limits, numbering: Numbering) -> Pop3Session:
        """Connect as `server.access` says, log in and list the messages; raise ServerBusy if no slot is available."""
        session = cls(server, credentials, limits, numbering)
        await session.connect()
        return session

    async def connect(self) -> None:
        """Connect and log in (again); the session then shows the mailbox as it is at this moment."""
        check_sendable(self._credentials)
        slot = await self._limits.gate.enter(self._server)
        connection: Pop3Connection | None = None
        try:
            connection = await greeted(self._server, slot)
            self.capabilities = await log_in(connection, self._credentials)
            self._listings.expires = any(_EXPIRES_AT_ONCE.fullmatch(line) for line in self.capabilities)
            slot.logged_in()
            self._commands, self._connection = self.commands, connection
            await self._list(connection)
        except BaseException as error:
            was_closed = connection is None or connection.is_closed
            try:
                if isinstance(error, ServerThrottled) or (isinstance(error, ServerUnavailable) and was_closed):
                    replacement = await slot.report_refusal(error)
                    if replacement is not None:
                        raise replacement from error
            finally:
                if connection is None:
                    slot.release(clean=False)
                else:
                    connection.close(clean=False)
            raise

    @property
    def commands(self) -> int:
        """Number of commands sent so far."""
        return self._commands + (0 if self._connection is None else self._connection.commands)

    @property
    def alerts(self) -> Sequence[str]:
        """None: POP3 has no alerts."""
        return ()

    @property
    def exists(self) -> int:
        """Number of messages in the mailbox when it was opened."""
        return self._exists

    async def list_folders(self) -> list[ServerFolder]:
        """Return the only folder, with its status."""
        return [ServerFolder(INBOX.wire_name, INBOX.path, INBOX.attributes, self._status())]

    async def examine(self, folder: ServerFolder) -> FolderStatus:  # noqa: ARG002 - there is only one
        """Return the folder's status."""
        return self._status()

    def _status(self) -> FolderStatus:
        if not self._has_uidl:
            return FolderStatus(0, None, self._exists, None)
        return FolderStatus(UIDVALIDITY, max(self._shown, default=0) + 1, self._exists, None)

    @property
    def _shown(self) -> Collection[int]:
        """UIDs that any list has shown; without UIDL, numbers have no meaning beyond one session."""
        return self._listings.known if self._has_uidl else self._messages

    async def search_uids(self, criteria: str = "ALL") -> array[int]:
        """Return all UIDs, or those of a set (`UID 1:5,9`), ascending; also of messages that an earlier list showed."""
        match = _UID_SET.fullmatch(criteria)
        if match is None:
            return array("Q", sorted(self._shown))
        ranges = [part.partition(":") for part in match[1].split(",")]
        wanted = [(int(first), int(last or first)) for first, _, last in ranges]
        return array("Q", sorted(uid for uid in self._shown if any(a <= uid <= b for a, b in wanted)))

    async def matching(self, uids: Sequence[int], keys: str) -> list[int]:  # noqa: ARG002 - POP3 cannot search
        """Return `uids`."""
        return list(uids)

    async def sizes(self, uids: Sequence[int]) -> dict[int, int]:
        """Return the sizes in bytes by UID, as listed by the server."""
        return {uid: self._sizes[number] for uid in uids if (number := self._messages.get(uid)) in self._sizes}

    async def labels(self, uids: Sequence[int]) -> dict[int, Sequence[bytes]]:  # noqa: ARG002 - a message has none
        """Return nothing: POP3 has no labels."""
        return {}

    async def attributes(self, uids: Sequence[int], *, with_head: bool = False) -> dict[int, Attributes]:  # noqa: ARG002
        """Return the sizes by UID; POP3 has no flags and no dates."""
        return {uid: Attributes((), None, size) for uid, size in (await self.sizes(uids)).items()}

    async def flags(
        self,
        first: int,  # noqa: ARG002 - POP3 has no flags
        last: int | None,  # noqa: ARG002
        *,
        since: int | None = None,  # noqa: ARG002
    ) -> dict[int, tuple[str, ...]]:
        """Return nothing: POP3 has no flags."""
        return {}

    async def heads(self, uids: Sequence[int]) -> dict[int, bytes]:
        """Return the header of each message by UID. Fetches whole messages, because TOP is optional."""
        heads: dict[int, bytes] = {}
        for uid in uids:
            sink = HeadSink()
            if await self._retrieve(uid, sink) == "":
                heads[uid] = sink.head()
                self._unsettled.add(uid)
        return heads

    async def oldest_messages(self, count: int = 3) -> list[tuple[int, str]]:
        """Return UID and header of the first messages."""
        heads = await self.heads(sorted(self._messages)[:count])
        return [(uid, head.decode("latin-1")) for uid, head in sorted(heads.items())]

    @property
    def search_cap(self) -> int:
        """Return 0: POP3 has no SEARCH."""
        return 0

    async def fetched_order(self, count: int) -> list[int]:
        """Return the first UIDs."""
        return sorted(self._messages)[:count]

    async def make_room(self, size: int) -> None:
        """Wait until the rate limits allow fetching `size` bytes; raise ServerBusy if the pause is long."""
        await self._open_connection().slot.spend(size=size)

    async def fetch(self, uids: Sequence[int]) -> AsyncGenerator[FetchedMessage, None]:
        """Yield the messages with these UIDs; a refused message has no bytes but a reason."""
        for uid in uids:
            sink = BodySink(self._limits)
            try:
                reason = await self._retrieve(uid, sink)
            except BaseException:
                sink.cancel()
                raise
            if reason is None:
                continue
            self._fetched.add(uid)
            if not reason:
                self._unsettled.add(uid)
            raw = sink.finish()
            if isinstance(raw, Discarded):
                reason = f"the message has {raw.size} bytes, more than the {self._limits.max_message_bytes} allowed"
            if reason or isinstance(raw, Discarded):
                yield FetchedMessage(uid, (), None, None, reason)
            else:
                announced = announced_size(self._sizes.get(self._messages[uid]), raw.size)
                yield FetchedMessage(uid, (), None, raw, announced=announced)

    async def _retrieve(self, uid: int, sink: BodySink | HeadSink) -> str | None:
        """Read a message into a sink and return "", the reason of a refusal, or None if there is no such message."""
        number = self._messages.get(uid)
        if number is None:
            return None
        connection = self._open_connection()
        line = await connection.run(f"RETR {number}")
        if not line.startswith(b"+OK"):
            error = connection.error(line, f"RETR of message {number}")
            if isinstance(error, CommandRefused):
                return f"the server refused to deliver it: {connection.shown(line)}"
            raise error
        if number != self._lowest:
            await connection.body(sink)
            return ""
        digest = DigestSink(sink)
        await connection.body(digest)
        self._first = digest.digest()
        return ""

    def eraser(self) -> Pop3Eraser:
        """Return the object that deletes messages of this mailbox."""
        return Pop3Eraser(self)

    async def logout(self) -> None:
        """Close, with QUIT if everything that was read is archived; never raises."""
        if not self._unsettled:
            with suppress(MunimentError):
                await self.quit()
        self.abort()

    @property
    def fetched(self) -> frozenset[int]:
        """UIDs of messages that were fetched since the last list."""
        return frozenset(self._fetched)

    @property
    def shows_more(self) -> bool:
        """Whether the last list showed messages that no earlier one did."""
        return self._listings.shows_more

    def settle(self, uids: Iterable[int]) -> None:
        """Report that these messages are archived, so that QUIT loses nothing."""
        self._unsettled.difference_update(uids)

    async def list_again(self) -> None:
        """End the session, open the next one and list the messages that it shows."""
        earlier, sizes, first = set(self._messages), sorted(self._sizes.values()), self._first
        await self.logout()
        await self.connect()
        is_other_list = bool(earlier) and not earlier.intersection(self._messages)
        if is_other_list and first and sorted(self._sizes.values()) == sizes:
            # New ids for the same messages, or others of the same sizes: without this check, it would never end.
            [uid] = [uid for uid, number in self._messages.items() if number == self._lowest]
            await self.heads([uid])
            if self._first == first:
                self._listings.deleted(self._messages)
                self._listings.ids_change = True
                self._messages = {}

    def recognise(self, archived: Collection[int]) -> None:
        """Take the messages that earlier sessions read and that are archived; see `Listings`."""
        self._listings.recognise(archived)

    async def advance(self, archived: Collection[int], before: str) -> bool:
        """Read archived messages again that are still listed; return whether the server hides them and shows others.

        One is a test: Gmail's "recent mode" shows messages whether they were read or not.
        """
        listed = sorted(self._listings.current.intersection(archived))
        if not listed or not self._has_uidl or not self._listings.hides(before):
            return False
        for some in (listed[:1], listed[1:]):
            await self.heads(some)
            self.settle(some)
            await self.list_again()
            if not self._listings.current.isdisjoint(some):
                return False
        return True

    def enough(self, before: str) -> int:
        """Return how many lists in a row must show nothing new; see `Listings`. 0 without UIDL: nothing tells."""
        return self._listings.enough(before) if self._has_uidl else 0

    def doubt(self, before: str) -> str:
        """Return why the lists may be only a part of the mailbox; see `Listings`."""
        if self._fetched and self._has_uidl:
            return UNCONFIRMED
        return self._listings.doubt(before)

    async def quit(self) -> None:
        """Send QUIT, which deletes marked messages (RFC 1939 §6); raise CommandRefused if the server could not."""
        connection = self._open_connection()
        line = await connection.run("QUIT")
        connection.close(clean=True)
        if not line.startswith(b"+OK"):
            raise CommandRefused(f"{connection.peer} did not delete all messages: {connection.shown(line)}")

    def deleted(self, uids: Iterable[int]) -> None:
        """Report that the server confirmed the deletion of these messages."""
        self._listings.deleted(uids)

    async def mark(self, uid: int) -> None:
        """Mark a message as deleted; QUIT removes it."""
        connection = self._open_connection()
        line = await connection.run(f"DELE {self._messages[uid]}")
        if not line.startswith(b"+OK"):
            raise connection.error(line, f"DELE of message {self._messages[uid]}")

    def abort(self) -> None:
        """Drop the connection at once; marked messages are not deleted."""
        if self._connection is not None:
            self._connection.close(clean=False)

    # -- opening ----------------------------------------------------------------------------------

    def _open_connection(self) -> Pop3Connection:
        if self._connection is None or self._connection.is_closed:
            raise ServerUnavailable(f"the connection to {self._server.host}:{self._server.port} is closed")
        return self._connection

    async def _list(self, connection: Pop3Connection) -> None:
        counted = _COUNTED.fullmatch(await connection.run("STAT"))
        listed = await listing(connection, "LIST") or {}
        self._sizes = {number: int(size) if size.isdigit() else 0 for number, size in listed.items()}
        self._exists = max(len(listed), int(counted[1]) if counted else 0)
        self._fetched, self._unsettled, self._first = set(), set(), b""
        # A refusal by a server that has UIDL would pass its messages off as new ones, without ids.
        has_uidl = "UIDL" in self.capabilities
        is_known = has_uidl and not listed
        uidls = {} if is_known else await listing(connection, "UIDL", is_optional=not has_uidl)
        self._has_uidl = uidls is not None
        if uidls is None:
            self._messages = {number: number for number in listed}
            return
        # Some servers assign the same id to messages with the same content.
        seen: Counter[str] = Counter()
        ids: dict[str, int] = {}
        for number, uidl in sorted(uidls.items()):
            seen[uidl] += 1
            ids[uidl if seen[uidl] == 1 else f"{uidl} {seen[uidl]}"] = number
        numbers = await self._numbering(list(ids))
        self._messages = {numbers[id_]: number for id_, number in ids.items()}
        self._lowest = min(uidls, default=0)
        self._listings.add(self._messages)
