"""A session with a mailbox of a `MemoryServer`. It implements `MailSession` and behaves like `ImapSession`."""

from __future__ import annotations

import re
from array import array
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import UTC, datetime

from muniment.errors import CommandRefused, ServerUnavailable
from muniment.mailserver.attributes import Attributes
from muniment.mailserver.gate import ConnectionSlot
from muniment.mailserver.limits import Limits
from muniment.mailserver.memory_mailbox import MemoryFolder, MemoryMail, MemoryServer
from muniment.model.flags import lasting
from muniment.model.folder import FolderStatus, ServerFolder
from muniment.model.login import LoginKind
from muniment.model.message import FetchedMessage, MemoryMessage

_ADDRESS_FIELDS = (b"from", b"sender", b"to", b"cc", b"bcc", b"subject")
_TELLING_FIELDS = (b"message-id", b"date", b"to", b"delivered-to", b"received")
_SEEN, _DELETED = "\\Seen", "\\Deleted"


class MemorySession:
    """One connection; commands after its loss fail."""

    def __init__(
        self,
        server: MemoryServer,
        peer: str,
        mailbox: str,
        login_kind: LoginKind,
        limits: Limits,
        slot: ConnectionSlot,
    ) -> None:
        self.login_kind = login_kind
        self.commands = 0
        self.alerts: Sequence[str] = ()
        #: SEARCH returns every message here.
        self.search_cap = 0
        self._server = server
        self._peer = peer
        self._mailbox = mailbox
        self._limits = limits
        self._slot = slot
        self._folder: str | None = None
        self._is_open = True

    @property
    def capabilities(self) -> frozenset[str]:
        """The server's capabilities."""
        return self._server.capabilities

    @property
    def exists(self) -> int:
        """Number of messages in the open folder."""
        return len(self._opened().messages) if self._folder is not None else 0

    async def list_folders(self) -> list[ServerFolder]:
        """Return every folder."""
        await self._command("LIST")
        return self._server.folders_of(self._mailbox)

    async def examine(self, folder: ServerFolder) -> FolderStatus:
        """Open a folder read-only."""
        return await self._open(folder, "EXAMINE")

    async def search_uids(self, criteria: str = "ALL") -> array[int]:
        """Return the matching UIDs: ALL, UID with a set, or the output of `MailFilter.search_keys`."""
        await self._command("SEARCH")
        indexed = self._opened().indexed
        if criteria == "ALL" and indexed is not None and len(indexed) == self.exists:
            return array("Q", sorted(indexed))  # with another number of UIDs, `ImapSession` asks FETCH as well
        matches = _criteria(criteria)
        return array("Q", (uid for uid, mail in self._visible() if matches(uid, mail)))

    async def matching(self, uids: Sequence[int], keys: str) -> list[int]:
        """Return the UIDs whose messages match `keys`."""
        found = set(await self.search_uids(keys))
        return [uid for uid in uids if uid in found]

    async def sizes(self, uids: Sequence[int]) -> Mapping[int, int]:
        """Return the sizes that the server claims, by UID."""
        await self._command("FETCH RFC822.SIZE")
        return {uid: mail.size for uid, mail in self._visible() if uid in set(uids) and not mail.is_withheld}

    async def labels(self, uids: Sequence[int]) -> Mapping[int, Sequence[bytes]]:
        """Return Gmail's labels by UID."""
        await self._command("FETCH X-GM-LABELS")
        return {uid: mail.labels for uid, mail in self._visible() if uid in set(uids)}

    async def attributes(self, uids: Sequence[int], *, with_head: bool = False) -> dict[int, Attributes]:
        """Return flags, date and size by UID."""
        await self._command("FETCH FLAGS")
        wanted = set(uids)
        return {
            uid: Attributes(mail.flags, mail.received, mail.size, _fields(mail, _ADDRESS_FIELDS) if with_head else None)
            for uid, mail in self._visible()
            if uid in wanted and not mail.is_withheld
        }

    async def flags(self, first: int, last: int | None, *, since: int | None = None) -> dict[int, tuple[str, ...]]:
        """Return flags by UID; `since` limits them to messages changed after that mod-sequence."""
        await self._command("FETCH FLAGS" if since is None else "FETCH CHANGEDSINCE")
        return {
            uid: lasting(mail.flags)
            for uid, mail in self._visible()
            if first <= uid <= (last or uid) and (since is None or mail.modseq > since) and not mail.is_withheld
        }

    async def heads(self, uids: Sequence[int]) -> dict[int, bytes]:
        """Return the header of each message, by UID."""
        await self._command("FETCH HEADER")
        wanted = set(uids)
        return {uid: mail.header for uid, mail in self._visible() if uid in wanted and not mail.is_withheld}

    async def oldest_messages(self, count: int = 3) -> list[tuple[int, str]]:
        """Return UID, identifying header fields and date of the first messages."""
        await self._command("FETCH HEADER.FIELDS")
        return [
            (uid, f"{b' '.join(_fields(mail, _TELLING_FIELDS).split()).decode('latin-1')} {mail.received:%d-%b-%Y %T}")
            for uid, mail in list(self._visible())[:count]
        ]

    async def fetched_order(self, count: int) -> list[int]:
        """Return the UIDs of the first messages."""
        await self._command("FETCH UID")
        return [uid for uid, _ in list(self._visible())[:count]]

    async def make_room(self, size: int) -> None:
        """Wait until `size` bytes may be fetched."""
        await self._slot.spend(size=size)

    async def fetch(self, uids: Sequence[int]) -> AsyncGenerator[FetchedMessage, None]:
        """Yield messages by ascending UID; exiting early closes the connection."""
        await self._command("FETCH")
        try:
            for uid in sorted(set(uids)):
                if self._server.before_fetch is not None:
                    await self._server.before_fetch(self._mailbox, self._folder or "", uid)
                mail = dict(self._visible()).get(uid)
                if mail is not None and not mail.is_withheld:
                    yield self._delivered(uid, mail)
        except GeneratorExit:
            self.abort()
            raise

    def eraser(self) -> MemoryEraser:
        """Return the object that deletes messages."""
        return MemoryEraser(self)

    async def logout(self) -> None:
        """Close the connection."""
        self._close(clean=True)

    def abort(self) -> None:
        """Close the connection."""
        self._close(clean=False)

    async def _open(self, folder: ServerFolder, command: str) -> FolderStatus:
        await self._command(command)
        self._folder = None
        name = folder.wire_name.decode()
        found = self._server.mailboxes[self._mailbox].get(name)
        if found is None or found.refusal:
            reason = found.refusal if found is not None else "NO [NONEXISTENT] no such folder"
            raise CommandRefused(f"{self._peer} refused {command} of {name!r}: {reason}")
        if command == "SELECT" and found.is_read_only:
            raise CommandRefused(f"{self._peer} allows this login only to read {name!r}")
        self._folder = name
        return found.status

    async def _command(self, name: str) -> None:
        if self._server.before_command is not None:
            await self._server.before_command(name)
        self._check()
        await self._slot.spend(commands=1)
        self.commands += 1

    def _check(self) -> None:
        if self._server.is_away:
            self.abort()
        if not self._is_open:
            raise ServerUnavailable(f"the connection to {self._peer} is lost")

    def _opened(self) -> MemoryFolder:
        folder = self._server.mailboxes[self._mailbox].get(self._folder or "")
        if folder is None:
            raise CommandRefused(f"{self._peer}: no folder is open")
        return folder

    def _visible(self) -> list[tuple[int, MemoryMail]]:
        return [(uid, mail) for uid, mail in self._opened().messages.items() if not mail.is_hidden]

    def _delivered(self, uid: int, mail: MemoryMail) -> FetchedMessage:
        self._check()
        if mail.breaks or self._server.drop_after == 0:
            if not mail.breaks:
                self._server.drop_after = None
            self.abort()
            raise ServerUnavailable(f"{self._peer} closed the connection")
        if self._server.drop_after is not None:
            self._server.drop_after -= 1
        if mail.refusal:
            return FetchedMessage(uid, (), None, None, f"the server refused to deliver it: {mail.refusal}")
        self._server.delivered.append((self._folder or "", uid))
        allowed = self._limits.max_message_bytes
        if len(mail.content) > allowed:
            reason = f"the message has {len(mail.content)} bytes, more than the {allowed} allowed"
            return FetchedMessage(uid, mail.flags, mail.received, None, reason)
        content = MemoryMessage(mail.content)
        return FetchedMessage(uid, lasting(mail.flags), mail.received, content, announced=mail.size)

    def _close(self, *, clean: bool) -> None:
        if self._is_open:
            self._is_open = False
            self._server.sessions -= 1
            self._slot.release(clean=clean)


class MemoryEraser:
    """Deletes messages in the folder that it opened."""

    def __init__(self, session: MemorySession) -> None:
        self._session = session

    @property
    def is_exact(self) -> bool:
        """Whether the server offers UIDPLUS."""
        return "UIDPLUS" in self._session.capabilities

    async def open(self, folder: ServerFolder) -> FolderStatus:
        """Open a folder read-write."""
        return await self._session._open(folder, "SELECT")  # noqa: SLF001 - the other half of one class

    async def marked(self) -> set[int]:
        """Return the UIDs of messages that are marked as deleted."""
        return set(await self._session.search_uids("DELETED"))

    async def erase(self, uids: Sequence[int]) -> None:
        """Delete messages; without UIDPLUS, also every other message that is marked as deleted."""
        deleted = set(uids) | (set() if self.is_exact else await self.marked())
        await self._session._command("EXPUNGE")  # noqa: SLF001 - the other half of one class
        folder = self._session._opened()  # noqa: SLF001 - the other half of one class
        if folder.erase_refusal:
            raise CommandRefused(f"UID STORE of \\Deleted: {folder.erase_refusal}")
        for uid in deleted:
            folder.messages.pop(uid, None)


def _fields(mail: MemoryMail, names: Sequence[bytes]) -> bytes:
    """Return the header fields with these names as they appear in the message, including folded lines."""
    fields = re.split(rb"\r\n(?![ \t])", mail.header)
    return b"".join(one + b"\r\n" for one in fields if one.partition(b":")[0].lower() in names)


_Matches = Callable[[int, MemoryMail], bool]


def _criteria(text: str) -> _Matches:
    """Return a predicate that is true for messages that match all criteria of a SEARCH."""
    words = text.split()
    tests: list[_Matches] = []
    while words:
        key = words.pop(0).upper()
        tests.append(_SIMPLE[key] if key in _SIMPLE else _WITH_ARGUMENT[key](words.pop(0)))
    return lambda uid, mail: all(test(uid, mail) for test in tests)


def _uid_set(text: str) -> _Matches:
    ranges = [part.partition(":") for part in text.split(",")]
    bounds = [(int(first), 2**32 if last == "*" else int(last or first)) for first, _, last in ranges]
    return lambda uid, _: any(first <= uid <= last for first, last in bounds)


def _day(text: str) -> datetime:
    return datetime.strptime(text, "%d-%b-%Y").replace(tzinfo=UTC)


_SIMPLE: dict[str, _Matches] = {
    "ALL": lambda _, __: True,
    "SEEN": lambda _, mail: _SEEN in mail.flags,
    "UNSEEN": lambda _, mail: _SEEN not in mail.flags,
    "DELETED": lambda _, mail: _DELETED in mail.flags,
}
_WITH_ARGUMENT: dict[str, Callable[[str], _Matches]] = {
    "UID": _uid_set,
    "SINCE": lambda day: lambda _, mail: mail.received >= _day(day),
    "BEFORE": lambda day: lambda _, mail: mail.received < _day(day),
    "LARGER": lambda size: lambda _, mail: mail.size > int(size),
    "SMALLER": lambda size: lambda _, mail: mail.size < int(size),
}
