"""One dialogue: a session reads a whole mailbox from a server controlled by `Choices`, and every promise is checked."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path

from muniment.errors import MunimentError
from muniment.imap import ImapSession
from muniment.imap.batches import batches
from muniment.imap.login import log_in
from muniment.imap.protocol import ImapProtocol
from muniment.mailserver import Limits
from muniment.model.flags import lasting
from muniment.model.folder import FolderStatus
from muniment.model.login import Credentials, LoginKind
from muniment.model.message import FetchedMessage
from muniment.secrecy import Secret
from tests.fuzz.choices import Choices
from tests.fuzz.counterpart import Counterpart
from tests.fuzz.mailbox import MailFolder, Message, make_folders
from tests.fuzz.reference import delivered
from tests.fuzz.virtual import Finding, VirtualLoop, Wire

PASSWORD = "Geheim-8bfa\\"
TIMEOUT_SECONDS = 10.0
MEMORY_BYTES = 256 << 20
PEER = "mail.example.com:143"
SECRETS = (PASSWORD.encode(), PASSWORD.upper().encode(), b"Geheim-8bfa\\\\", b"R2VoZWltLThiZmFc")
_CONFUSED = 30  # folders and messages to read if the server lies

LIMITS = Limits(
    batch_messages=5,
    batch_bytes=600,
    spool_bytes=3000,
    max_message_bytes=6000,
    spool=Path(tempfile.gettempdir()) / "muniment-fuzz",
)


@dataclass
class Tally:
    """Counters, added up over dialogues."""

    answers: int = 0  # responses, tagged and untagged, that the servers sent to the connection
    dialogues: int = 0
    valid: int = 0
    stream_bytes: int = 0
    messages: int = 0  # delivered with bytes
    message_bytes: int = 0
    without_bytes: int = 0
    compared: int = 0  # messages compared with the reference
    endings: Counter[str] = field(default_factory=Counter)
    mutations: Counter[str] = field(default_factory=Counter)
    virtual_seconds: float = 0.0


class Dialogue:
    """A server and a client; raises a Finding if the client breaks a promise."""

    def __init__(self, c: Choices, tally: Tally) -> None:
        self.server = Counterpart(c, make_folders(c, LIMITS), SECRETS)
        self._c = c
        self._tally = tally
        self._is_valid = self.server.is_valid
        self._got: list[tuple[int, bytes]] = []

    async def run(self, loop: VirtualLoop) -> None:
        """Run the dialogue to its end, without a socket and in virtual time, and judge it."""
        tally, server = self._tally, self.server
        began = loop.time()
        protocol = ImapProtocol(PEER, TIMEOUT_SECONDS, LIMITS)
        wire = Wire(loop, protocol, server.received, timeout_seconds=TIMEOUT_SECONDS, memory_bytes=MEMORY_BYTES)
        wire.begin(server.greeting())
        await self.read(protocol)
        await protocol.wait_closed()
        _judge_loop(loop)
        stream = wire.stream
        if stream is not None:
            self.judge_bytes(stream)
        tally.stream_bytes += wire.kept
        tally.virtual_seconds += loop.time() - began

    async def read(self, protocol: ImapProtocol) -> None:
        """Read the whole mailbox over a new connection, and close it."""
        tally = self._tally
        ending = "ok"
        try:
            await protocol.greeting()
            await self._read_mailbox(protocol)
        except MunimentError as error:
            ending = type(error).__name__
            self._judge_error(error)
        finally:
            protocol.abort()
        tally.endings[ending] += 1
        tally.dialogues += 1
        tally.valid += self._is_valid
        tally.answers += self.server.answers
        tally.mutations.update(self.server.mutations)

    def judge_bytes(self, stream: bytes) -> None:
        """Check that every message is what the server sent for its UID."""
        true = delivered(stream) if self._got else set()
        for uid, content in self._got:
            self._tally.compared += 1
            if (uid, content) not in true:
                raise Finding(f"UID {uid} was delivered with bytes that the server did not send: {content[:200]!r}")

    # -- the client -------------------------------------------------------------------------------

    async def _read_mailbox(self, protocol: ImapProtocol) -> None:
        c = self._c
        kind = c.pick([LoginKind.LOGIN, LoginKind.PLAIN_AUTHZID])
        user = c.pick(["alice@example.com", "älice", 'a"b'])
        await log_in(
            protocol, Credentials(kind, user, Secret(PASSWORD), "bob" if kind is LoginKind.PLAIN_AUTHZID else "")
        )
        session = ImapSession(protocol, LIMITS, LoginKind.LOGIN)
        listed = await session.list_folders()
        if self._is_valid:
            self._same("folders", {f.name for f in self.server.folders}, {f.wire_name for f in listed})
        for folder in listed[:_CONFUSED]:
            status = await session.examine(folder)
            _judge_numbers(status, folder.status)
            true = next((f for f in self.server.folders if f.name == folder.wire_name), None)
            if self._is_valid:
                assert true is not None
                self._same("EXAMINE", (true.uidvalidity, len(true.messages)), (status.uidvalidity, status.messages))
                if folder.status is not None:
                    self._same(
                        "STATUS", (true.uidvalidity, true.uidnext), (folder.status.uidvalidity, folder.status.uidnext)
                    )
            await self._read_folder(session, true)
        await session.logout()

    async def _read_folder(self, session: ImapSession, true: MailFolder | None) -> None:
        oldest = await session.oldest_messages()
        uids = await session.search_uids(self._c.pick(["ALL", "ALL", "UID 2:*"]) if not self._is_valid else "ALL")
        sizes = await session.sizes(uids[:_CONFUSED])
        flags = await session.flags(1, None, since=self._c.pick([None, None, 1, 77]))
        got: list[FetchedMessage] = []
        for batch in batches(uids[:_CONFUSED], sizes, LIMITS):
            fetched = await self._fetch(session, batch)
            absent = sorted(set(batch) - {m.uid for m in fetched})
            if absent:
                await session.search_uids("UID " + ",".join(map(str, absent)))
            got += fetched
        if self._is_valid:
            assert true is not None
            # The server may tell of another message unasked.
            self._same("all flags", {m.uid: _flags(m) for m in true.messages}, {uid: flags[uid] for uid in uids})
            self._judge_folder(true, oldest, list(uids), sizes, got)

    async def _fetch(self, session: ImapSession, uids: Sequence[int]) -> list[FetchedMessage]:
        messages: list[FetchedMessage] = []
        slow = self._c.chance(64)
        async for message in session.fetch(uids):
            if message.uid not in uids:
                raise Finding(f"UID {message.uid} was delivered without being requested")
            if any(message.uid == other.uid for other in messages):
                raise Finding(f"UID {message.uid} was delivered twice")
            if message.announced is not None and message.announced < 0:
                raise Finding(f"UID {message.uid} was announced with {message.announced} bytes")
            messages.append(message)
            if message.raw is None:
                self._tally.without_bytes += 1
                continue
            if slow:
                await asyncio.sleep(0.01)
            content = b"".join(message.raw.chunks(1024))
            if len(content) != message.raw.size:
                raise Finding(f"UID {message.uid} has {len(content)} bytes but reports {message.raw.size}")
            if self._is_valid and message.is_size_odd:
                raise Finding(f"UID {message.uid} has the {len(content)} announced bytes, not {message.announced}")
            message.raw.close()
            self._got.append((message.uid, content))
            self._tally.messages += 1
            self._tally.message_bytes += len(content)
        return messages

    # -- the judge --------------------------------------------------------------------------------

    def _judge_error(self, error: MunimentError) -> None:
        text = str(error) + str(error.hint)
        if ": unexpected " in text or "something unreadable" in text:
            raise Finding(f"an undocumented error: {text}") from error
        if any(secret.decode().casefold() in text.casefold() for secret in SECRETS):
            raise Finding(f"an error shows the password: {text}") from error
        if not text.isprintable():
            raise Finding(f"an error that cannot be printed: {text!r}") from error
        if self._is_valid:
            raise Finding(f"the mailbox of a correct server could not be read: {text}") from error

    def _judge_folder(
        self,
        true: MailFolder,
        oldest: list[tuple[int, str]],
        uids: list[int],
        sizes: dict[int, int],
        got: list[FetchedMessage],
    ) -> None:
        by_uid = {m.uid: m for m in true.messages}
        self._same("oldest", [m.uid for m in true.messages[:3]], [uid for uid, _ in oldest])
        self._same("UIDs", list(by_uid), uids)
        self._same("sizes", {uid: len(m.content) for uid, m in by_uid.items()}, sizes)
        self._same("messages", list(by_uid), sorted(m.uid for m in got))
        contents = {(uid, content) for uid, content in self._got}
        for message in got:
            wanted = by_uid[message.uid]
            if len(wanted.content) > LIMITS.max_message_bytes:
                self._same("a message too large", (None, True), (message.raw, bool(message.reason)))
            elif (message.uid, wanted.content) not in contents:
                raise Finding(f"UID {message.uid} is not {wanted.content[:200]!r}")
            self._same(f"the date of {message.uid}", wanted.received, message.internal_date)
            self._same(f"the flags of {message.uid}", _flags(wanted), message.flags)

    @staticmethod
    def _same(what: str, expected: object, actual: object) -> None:
        if expected != actual:
            raise Finding(f"{what}: {actual!r} instead of {expected!r}")


def _judge_loop(loop: VirtualLoop) -> None:
    if loop.errors:
        raise Finding(f"the event loop reported errors: {loop.errors}")
    left = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
    if left:
        raise Finding(f"tasks are left over: {left}")


def _judge_numbers(*statuses: FolderStatus | None) -> None:
    """Check that PostgreSQL can store what a server reports of a folder."""
    for status in statuses:
        if status is not None and any(not 0 <= (n or 0) < 2**63 for n in astuple(status)):
            raise Finding(f"a number that does not fit into a column: {status}")


def _flags(message: Message) -> tuple[str, ...]:
    return lasting(flag.decode() for flag in message.flags)
