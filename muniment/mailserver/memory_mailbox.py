"""The contents of a mail server in memory, and its configurable misbehaviour."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from muniment.errors import MunimentError
from muniment.model.folder import FolderStatus, ServerFolder

RECEIVED = datetime(2024, 7, 17, 9, 44, 25, tzinfo=UTC)

#: The capabilities of a modern server.
CAPABILITIES = frozenset({"IMAP4REV1", "UIDPLUS", "ESEARCH", "LIST-STATUS", "SPECIAL-USE", "NAMESPACE", "CONDSTORE"})


@dataclass
class MemoryMail:
    """One message and its misbehaviour.

    `claimed_size`: a false RFC822.SIZE. `refusal`: the answer to a FETCH of its body. `is_withheld`: SEARCH returns it,
    but no FETCH delivers it. `is_hidden`: the server counts it, but neither returns nor delivers it. `breaks`: the
    connection is lost whenever it is fetched. `modseq`: its mod-sequence, if the folder has them.
    """

    content: bytes
    flags: tuple[str, ...] = ()
    received: datetime = RECEIVED
    claimed_size: int | None = None
    refusal: str = ""
    is_withheld: bool = False
    is_hidden: bool = False
    breaks: bool = False
    labels: tuple[bytes, ...] = ()  # Gmail's
    modseq: int = 0

    @property
    def size(self) -> int:
        """The RFC822.SIZE that the server reports."""
        return len(self.content) if self.claimed_size is None else self.claimed_size

    @property
    def header(self) -> bytes:
        """The header up to and including the blank line."""
        head, blank, _ = self.content.partition(b"\r\n\r\n")
        return head + blank


class MemoryFolder:
    """A folder with messages by UID, ascending. Change it at any time: sessions see it with the next command."""

    def __init__(self, contents: Iterable[bytes] = (), *, uidvalidity: int = 1) -> None:
        self.uidvalidity = uidvalidity
        self.messages: dict[int, MemoryMail] = {}
        self.attributes: frozenset[str] = frozenset()
        #: The answer to EXAMINE and SELECT, if the server refuses them.
        self.refusal = ""
        #: Whether SELECT opens the folder read-only, like EXAMINE.
        self.is_read_only = False
        #: The answer to UID STORE, if the server refuses it.
        self.erase_refusal = ""
        #: STATUS answers this, whatever the folder holds; EXAMINE tells the truth.
        self.frozen: FolderStatus | None = None
        #: The UIDs that SEARCH ALL finds, if its index is behind.
        self.indexed: frozenset[int] | None = None
        #: The highest mod-sequence (CONDSTORE), counted by `deliver` and `mark`; None: the folder has none.
        self.highestmodseq: int | None = None
        self._uidnext = 1
        for content in contents:
            self.deliver(content)

    def deliver(self, content: bytes | MemoryMail) -> int:
        """Add a message and return its UID."""
        uid = self._uidnext
        self._uidnext += 1
        self.messages[uid] = content if isinstance(content, MemoryMail) else MemoryMail(content)
        self._touch(uid)
        return uid

    def mark(self, uid: int, *flags: str) -> None:
        """Replace the flags of a message, as another client does."""
        self.messages[uid].flags = flags
        self._touch(uid)

    def _touch(self, uid: int) -> None:
        if self.highestmodseq is not None:
            self.highestmodseq += 1
            self.messages[uid].modseq = self.highestmodseq

    def renumber(self, uidvalidity: int) -> None:
        """Give every message a new UID under a new UIDVALIDITY, like a server that lost its index."""
        mails = list(self.messages.values())
        self.uidvalidity, self.messages, self._uidnext = uidvalidity, {}, 1
        for mail in mails:
            self.deliver(mail)

    @property
    def status(self) -> FolderStatus:
        """What the folder holds: the answer to EXAMINE, and to STATUS unless that is frozen."""
        return FolderStatus(self.uidvalidity, self._uidnext, len(self.messages), self.highestmodseq)


#: The folders of a mailbox, by path with slashes.
Mailbox = dict[str, MemoryFolder]


@dataclass
class MemoryServer:
    """Mailboxes, and the server's behaviour. A login may name any existing mailbox, with any password.

    Switches for misbehaviour: `is_away` (the server is unreachable), `allows` (the maximum number of connections),
    `drop_after` (the connection is lost once, after this many delivered messages), `opens_instead` (logins that open
    another mailbox than they name), `login_errors` (raised for a mailbox), `tells_status` (False: no LIST-STATUS).
    `before_fetch` is awaited before each message is delivered, with the mailbox, the folder and the UID;
    `before_command` before each other command, with its name.
    """

    mailboxes: dict[str, Mailbox] = field(default_factory=dict)
    capabilities: frozenset[str] = CAPABILITIES
    is_away: bool = False
    allows: int | None = None
    drop_after: int | None = None
    opens_instead: dict[str, str] = field(default_factory=dict)
    login_errors: dict[str, MunimentError] = field(default_factory=dict)
    tells_status: bool = True
    before_fetch: Callable[[str, str, int], Awaitable[None]] | None = None
    before_command: Callable[[str], Awaitable[None]] | None = None
    #: Open sessions, the highest number of them at one time, and the mailboxes that logins named.
    sessions: int = 0
    most_sessions: int = 0
    logins: list[str] = field(default_factory=list)
    #: UIDs of all messages delivered, with their folders.
    delivered: list[tuple[str, int]] = field(default_factory=list)

    def folders_of(self, mailbox: str) -> list[ServerFolder]:
        """Return the folders of a mailbox as LIST returns them."""
        return [
            ServerFolder(name.encode(), tuple(name.split("/")), folder.attributes, self._status(folder))
            for name, folder in self.mailboxes[mailbox].items()
        ]

    def _status(self, folder: MemoryFolder) -> FolderStatus | None:
        return (folder.frozen or folder.status) if self.tells_status else None
