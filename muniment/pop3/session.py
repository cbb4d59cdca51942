"""A session: one logged-in POP3 connection with the interface of an IMAP session and a single folder.

UIDs are our own numbers for the server's unique ids (UIDL, RFC 1939 §7); the caller that opens the session assigns
them. A server without UIDL is treated like one without UIDVALIDITY: its messages are recognised by content.
"""

from __future__ import annotations

import asyncio
import base64
import re
from array import array
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import suppress

from muniment.errors import (
    CommandRefused,
    LoginUnsupported,
    MunimentError,
    ProtocolViolation,
    ServerThrottled,
    ServerUnavailable,
)
from muniment.mailserver import Attributes, Limits
from muniment.mailserver.gate import ConnectionSlot
from muniment.mailserver.redaction import Redactor
from muniment.mailserver.sasl import check_sendable, forms_of_password, xoauth2_response
from muniment.mailserver.spool import Discarded
from muniment.mailserver.starttls import open_connection
from muniment.model.folder import FolderStatus, ServerFolder
from muniment.model.login import Credentials, LoginKind
from muniment.model.message import FetchedMessage
from muniment.model.profile import Server
from muniment.pop3.bodies import BodySink, HeadSink
from muniment.pop3.connection import Pop3Connection
from muniment.pop3.sizes import announced_size
from muniment.pop3.stls import negotiate_stls

#: The only folder, and the UIDVALIDITY for the UIDs that we assign.
INBOX = ServerFolder(b"INBOX", ("INBOX",), frozenset(), None)
UIDVALIDITY = 1

_LISTED = re.compile(rb"(\d{1,10}) (\S{1,100}).*", re.DOTALL)
_LINE_BYTES = 1 << 20
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
            connection = await self._greeted(slot)
            await self._log_in(connection)
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
        return len(self._messages)

    async def list_folders(self) -> list[ServerFolder]:
        """Return the only folder, with its status."""
        return [ServerFolder(INBOX.wire_name, INBOX.path, INBOX.attributes, self._status())]

    async def examine(self, folder: ServerFolder) -> FolderStatus:  # noqa: ARG002 - there is only one
        """Return the folder's status."""
        return self._status()

    def _status(self) -> FolderStatus:
        newest = max(self._messages, default=0)
        if not self._has_uidl:
            return FolderStatus(0, None, len(self._messages), None)
        return FolderStatus(UIDVALIDITY, newest + 1, len(self._messages), None)

    async def search_uids(self, criteria: str = "ALL") -> array[int]:
        """Return all UIDs, or those of a set (`UID 1:5,9`), ascending."""
        match = _UID_SET.fullmatch(criteria)
        if match is None:
            return array("Q", sorted(self._messages))
        ranges = [part.partition(":") for part in match[1].split(",")]
        wanted = [(int(first), int(last or first)) for first, _, last in ranges]
        return array("Q", sorted(uid for uid in self._messages if any(a <= uid <= b for a, b in wanted)))

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

    async def heads(self, uids: Sequence[int]) -> dict[int, bytes]:
        """Return the header of each message by UID. Fetches whole messages, because TOP is optional."""
        heads: dict[int, bytes] = {}
        for uid in uids:
            sink = HeadSink()
            if await self._retrieve(uid, sink) == "":
                heads[uid] = sink.head()
        return heads

    async def oldest_messages(self, count: int = 3) -> list[tuple[int, str]]:
        """Return UID and header of the first messages."""
        heads = await self.heads(sorted(self._messages)[:count])
        return [(uid, head.decode("latin-1")) for uid, head in sorted(heads.items())]

    @property
    def search_cap(self) -> int:
        """Return 0: POP3 lists all messages."""
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
        await connection.body(sink)
        return ""

    def eraser(self) -> Pop3Eraser:
        """Return the object that deletes messages of this mailbox."""
        return Pop3Eraser(self)

    async def logout(self) -> None:
        """Send QUIT and close; never raises."""
        with suppress(MunimentError):
            await self.quit()
        self.abort()

    async def quit(self) -> None:
        """Send QUIT, which deletes marked messages (RFC 1939 §6); raise CommandRefused if the server could not."""
        connection = self._open_connection()
        line = await connection.run("QUIT")
        connection.close(clean=True)
        if not line.startswith(b"+OK"):
            raise CommandRefused(f"{connection.peer} did not delete all messages: {connection.shown(line)}")

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

    async def _greeted(self, slot: ConnectionSlot) -> Pop3Connection:
        server = self._server
        reader = asyncio.StreamReader(limit=_LINE_BYTES)
        transport, protocol = await open_connection(
            server, slot, negotiate_stls, lambda: asyncio.StreamReaderProtocol(reader)
        )
        writer = asyncio.StreamWriter(transport, protocol, reader, asyncio.get_running_loop())
        connection = Pop3Connection(f"{server.host}:{server.port}", (reader, writer), server.timeout_seconds, slot)
        try:
            if not server.access.is_starttls:
                await connection.greeting()
        except BaseException:
            connection.close(clean=False)
            raise
        return connection

    async def _log_in(self, connection: Pop3Connection) -> None:
        """Log in with USER and PASS; with SASL (RFC 5034) for a token or if the server does not support USER."""
        credentials = self._credentials
        line = await connection.run("CAPA")
        self.capabilities = frozenset(
            capability.decode("ascii", "replace").upper()
            for capability in (await connection.lines() if line.startswith(b"+OK") else [])
        )
        mechanisms = {word for line_ in self.capabilities if line_.startswith("SASL") for word in line_.split()[1:]}
        connection.redactor = Redactor(forms_of_password(credentials))
        if credentials.kind is LoginKind.XOAUTH2:
            if "XOAUTH2" not in mechanisms:
                raise LoginUnsupported(f"{connection.peer} does not offer XOAUTH2", hint="Use a password.")
            line = await connection.run("AUTH XOAUTH2 ", xoauth2_response(credentials))
            if line.startswith(b"+ "):
                line = await connection.run("")  # the server sent the reason as a challenge
        elif "USER" not in self.capabilities and "PLAIN" in mechanisms:
            response = f"\0{credentials.user}\0{credentials.password.reveal()}".encode()
            line = await connection.run("AUTH PLAIN ", base64.b64encode(response))
        else:
            line = await connection.run(f"USER {credentials.user}")
            if line.startswith(b"+OK"):
                line = await connection.run("PASS ", credentials.password.reveal().encode())
        if not line.startswith(b"+OK"):
            raise connection.error(line, f"the login of {credentials.user}", is_login=True)

    async def _list(self, connection: Pop3Connection) -> None:
        listed = await self._listing(connection, "LIST")
        if listed is None:
            raise ProtocolViolation(f"{connection.peer} does not list its messages")
        self._sizes = {number: int(size) if size.isdigit() else 0 for number, size in listed.items()}
        uidls = await self._listing(connection, "UIDL")
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

    async def _listing(self, connection: Pop3Connection, command: str) -> dict[int, str] | None:
        """Return the LIST or UIDL value by message number; None if the server does not support the command."""
        line = await connection.run(command)
        if not line.startswith(b"+OK"):
            return None
        values: dict[int, str] = {}
        for entry in await connection.lines():
            match = _LISTED.fullmatch(entry)
            if match is None:
                raise ProtocolViolation(
                    f"{connection.peer} sent a malformed {command} response: {connection.shown(entry)}"
                )
            values[int(match[1])] = match[2].decode("latin-1")
        return values


class Pop3Eraser:
    """Deletes messages: marks them one by one, sends QUIT, and reopens the mailbox so that callers can verify it."""

    is_exact = True

    def __init__(self, session: Pop3Session) -> None:
        self._session = session

    async def open(self, folder: ServerFolder) -> FolderStatus:
        """Return the folder's status."""
        return await self._session.examine(folder)

    async def marked(self) -> set[int]:
        """Return an empty set: other POP3 clients cannot leave marked messages behind."""
        return set()

    async def erase(self, uids: Sequence[int]) -> None:
        """Delete these messages; raise CommandRefused if the server refuses, in which case some may be gone."""
        refusal: CommandRefused | None = None
        for uid in uids:
            try:
                await self._session.mark(uid)
            except CommandRefused as error:
                refusal = error
        try:
            await self._session.quit()
        except CommandRefused as error:
            refusal = error
        await self._session.connect()
        if refusal is not None:
            raise refusal
