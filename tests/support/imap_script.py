"""The script of the scripted IMAP server: mailboxes, folders, messages and faults."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, overload

PLAIN_CAPABILITIES = "IMAP4rev1 AUTH=PLAIN SASL-IR"
MODERN_CAPABILITIES = f"{PLAIN_CAPABILITIES} LITERAL+ ESEARCH LIST-EXTENDED LIST-STATUS CONDSTORE"
_DATE = "17-Jul-2024 02:44:25 -0700"


@dataclass(frozen=True)
class HugeContent:
    """A message of `size` bytes that is never in memory as a whole."""

    size: int

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes in pieces of up to 64 KiB."""
        head = b"Subject: huge\r\n\r\n"[: self.size]
        yield head
        block = bytes(range(256)) * 256
        left = self.size - len(head)
        while left > 0:
            yield block[:left]
            left -= len(block)


class Mail(NamedTuple):
    """A message in a folder."""

    uid: int
    content: bytes | HugeContent
    flags: tuple[str, ...] = ()
    date: str = _DATE
    labels: tuple[bytes, ...] | None = None  # Gmail's; None: not told


class ManyMails(Sequence[Mail]):
    """`count` small messages with UIDs 1, 1 + step, …, created on access."""

    def __init__(self, count: int, *, size: int = 200, step: int = 1) -> None:
        self._count = count
        self._size = size
        self._step = step

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Mail: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Mail]: ...
    def __getitem__(self, index: int | slice) -> Mail | Sequence[Mail]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._count))]
        number = range(self._count)[index]
        head = b"Message-ID: <%d@many>\r\nSubject: number %d\r\n\r\n" % (number, number)
        return Mail(1 + number * self._step, head.ljust(self._size, b"."))

    def position(self, uid: int) -> int:
        """Return the number of messages with a smaller UID."""
        return max(0, min(self._count, -(-(uid - 1) // self._step)))


def position(messages: Sequence[Mail], uid: int) -> int:
    """Return the number of `messages`, which ascend by UID, with a smaller UID."""
    if isinstance(messages, ManyMails):
        return messages.position(uid)
    return bisect_left(messages, uid, key=lambda mail: mail.uid)


@dataclass
class Folder:
    """A folder and its misbehaviour; `messages` ascend by UID."""

    messages: Sequence[Mail] = ()
    uidvalidity: int | None = 1
    highestmodseq: int = 1
    attributes: str = "\\HasNoChildren"
    claimed_sizes: dict[int, int] = field(default_factory=dict)  # wrong values of RFC822.SIZE
    nil_bodies: set[int] = field(default_factory=set)  # BODY[] NIL
    refused: set[int] = field(default_factory=set)  # every FETCH that includes one of these is answered with `refusal`
    refusal: str = "NO [SERVERBUG] that one is broken"
    deadly: set[int] = field(default_factory=set)  # the server closes the connection in the middle of one of these
    odd_status: bytes = b""  # sent instead of its STATUS
    search_refused: str = ""  # NO or BAD: the answer to every UID SEARCH
    vanished: set[int] = field(default_factory=set)  # found by SEARCH, but missing from every FETCH
    read_only: bool = False  # SELECT opens it like EXAMINE
    uidvalidity_to_delete: int | None = None  # SELECT sends this value instead of the UIDVALIDITY
    hidden: set[int] = field(default_factory=set)  # counted, but neither found by SEARCH nor listed by FETCH
    indexed: Sequence[int] | None = None  # what UID SEARCH ALL finds, from an index that is behind

    @property
    def uidnext(self) -> int:
        """The UID of the next message."""
        return self.messages[-1].uid + 1 if self.messages else 1


@dataclass
class Fault:
    """A deviation from the correct answer to a command.

    `command`: its name ("UID FETCH", "LOGIN", "GREETING"). `containing` restricts it to lines with that text, `times`
    to the first few occurrences, `mailbox` to connections that opened that mailbox. One of: `reply` (after the tag, or
    a whole line if it starts with `*`), `raw` (bytes sent as they are, then silence), `hang`, `close`, `cut_after`
    (that many bytes of the correct answer), or `until` (the correct answer after the event is set).
    """

    command: str
    reply: str = ""
    raw: bytes = b""
    hang: bool = False
    close: bool = False
    cut_after: int | None = None
    until: threading.Event | None = None
    containing: str = ""
    times: int | None = None
    mailbox: str = ""

    def strikes(self, command: str, line: str, mailbox: str = "") -> bool:
        """Tell whether the fault occurs now, and count it."""
        if self.command != command or self.containing not in line or self.times == 0:
            return False
        if self.mailbox and self.mailbox != mailbox:
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass
class Script:
    """The complete behaviour of a scripted server."""

    mailboxes: dict[str, dict[bytes, Folder]] = field(default_factory=dict)
    capabilities: str = MODERN_CAPABILITIES
    capabilities_in_login_answer: bool = True
    passwords: dict[str, str] = field(default_factory=dict)  # by login name; if empty, every login succeeds
    master_password: str = ""  # Kerio's; if empty, X-MASTERAUTH is disabled
    may_proxy: frozenset[str] = frozenset()  # Sun: the users allowed to use PROXYAUTH
    always_opens: str = ""  # every login opens this mailbox, whichever it names
    faults: list[Fault] = field(default_factory=list)
    greeting: str = "* OK ready"
    allows: int | None = None  # simultaneous connections; a further one gets `too_many` and is closed
    too_many: str = "* BYE [LIMIT] Maximum number of connections exceeded"
    delimiter: str = '"/"'  # as in LIST: quoted, or NIL
    namespace: str = '(("" "/")) NIL NIL'  # the answer to NAMESPACE
    name_form: str = "quoted"  # or "literal": how LIST and STATUS write folder names
    refuses_attributes: bool = False  # a FETCH of anything other than UIDs and sizes or bodies
    search_cap: int | None = None  # maximum number of UIDs in a SEARCH answer
    unsorted: bool = False  # FETCH answers in descending order
    unsolicited: bytes = b""  # sent before every FETCH answer
    body_first: bool = False  # BODY[] before the other items

    def folders_of(self, user: str) -> dict[bytes, Folder] | None:
        """Return the folders of the mailbox that a login opens."""
        return self.mailboxes.get(self.always_opens or user)


def compressed(uids: Sequence[int]) -> bytes:
    """Write ascending UIDs as a sequence set."""
    parts: list[list[int]] = []
    for uid in uids:
        if parts and uid == parts[-1][1] + 1:
            parts[-1][1] = uid
        else:
            parts.append([uid, uid])
    return b",".join(b"%d" % a if a == b else b"%d:%d" % (a, b) for a, b in parts)


def header_fields(mail: Mail, section: bytes) -> bytes:
    """Return the header fields that `HEADER.FIELDS (NAME …)` requests, as they are in the message."""
    if isinstance(mail.content, HugeContent):
        return b""
    names = section[section.index(b"(") + 1 : section.index(b")")].upper().split()
    lines = mail.content.partition(b"\r\n\r\n")[0].split(b"\r\n")
    return b"".join(line + b"\r\n" for line in lines if line.partition(b":")[0].upper() in names)
