"""The mailbox of a fuzzed server: folders and messages with content that confuses parsers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from muniment.mailserver import Limits
from tests.fuzz.choices import Choices

_NAMES = [
    b"INBOX", b"Sent", b"Archive/2024", b"Entw&APw-rfe", b"a b", b'quo"te', b"back\\slash", b"R&-D", b"NIL",
    b"(x)", b"%*", b"caf\xc3\xa9", b"{5}", b"* OK", b"[x] {3}", b"&AGE-", b"inbox/child", b"A1 OK", b"x" * 300,
]  # fmt: skip
_BLOCKS = [
    b"plain text\r\n", b")\r\n", b"* 1 FETCH (UID 1 BODY[] {4}\r\nevil)\r\n", b"A1 OK done\r\n", b"\0", b"\r", b"\n",
    b"\r\n\r\n", b"{7}\r\n", b"* BYE\r\n", b"\xff\xfe\x80", b'"\\', b"+ go\r\n", b"UID 2 BODY[] {3}\r\n", b" FLAGS ())",
    b"=?utf-8?q?=00?=\r\n", b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n", b".\r\n", b"}" * 20, b"z" * 90,
]  # fmt: skip
_FLAGS = [b"\\Seen", b"\\Flagged", b"$Forwarded", b"x", b"NonJunk", b"\\Recent", b"a:b", b"[Gmail]", b"k\xc3\xa4se"]
_STEPS = [1, 1, 1, 2, 7, 300, 100_000, 400_000_000]


@dataclass(frozen=True, slots=True)
class Message:
    """A message on the server; `date` is the text of INTERNALDATE, `received` its value."""

    uid: int
    content: bytes
    flags: tuple[bytes, ...]
    date: bytes
    received: datetime


@dataclass(frozen=True, slots=True)
class MailFolder:
    """A folder; `messages` are in order of their UIDs."""

    name: bytes
    uidvalidity: int
    messages: tuple[Message, ...]

    @property
    def uidnext(self) -> int:
        """The UID that the next message would get."""
        return self.messages[-1].uid + 1 if self.messages else 1


def make_folders(c: Choices, limits: Limits) -> list[MailFolder]:
    """Return one to three folders with different names; the messages of all folders differ."""
    names = dict.fromkeys(c.pick(_NAMES) for _ in range(1 + c.below(3)))
    return [
        MailFolder(name, 1 + c.below(65_000), _messages(c, b"%d" % number, limits)) for number, name in enumerate(names)
    ]


def _messages(c: Choices, folder: bytes, limits: Limits) -> tuple[Message, ...]:
    messages = []
    uid = 0
    for _ in range(c.below(9)):
        uid += c.pick(_STEPS)
        day, second = 1 + c.below(28), c.below(60)
        messages.append(
            Message(
                uid,
                _content(c, b"%b.%d" % (folder, uid), limits),
                tuple(dict.fromkeys(c.pick(_FLAGS) for _ in range(c.below(4)))),
                b"%2d-Jul-2024 02:44:%02d +0000" % (day, second),
                datetime(2024, 7, day, 2, 44, second, tzinfo=UTC),
            )
        )
    return tuple(messages)


def _content(c: Choices, name: bytes, limits: Limits) -> bytes:
    kind = c.below(64)
    if kind == 63:
        return b""
    if kind == 62:
        return name  # can be quoted
    head = b"Message-ID: <" + name + b"@fuzz>\r\n"
    blocks = [c.pick(_BLOCKS) for _ in range(c.below(6))]
    if kind == 61:
        blocks.append(b"s" * limits.spool_bytes)
    elif kind == 60:
        blocks.append(b"d" * limits.max_message_bytes)
    elif kind > 50:
        blocks.append(c.octets(c.below(200)))
    return head + b"".join(blocks)
