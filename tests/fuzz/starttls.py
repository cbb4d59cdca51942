"""The lines before TLS, with a server or a man in the middle that says more than it should, at any moment.

The judge: if the client goes on to the handshake, then it has read exactly what the server said up to an OK to its
STARTTLS, and nothing is left. It sends nothing but CAPABILITY, STARTTLS and STLS.
"""

from __future__ import annotations

import re
import socket
from collections import Counter

from muniment.errors import MunimentError
from muniment.imap import negotiate_starttls
from muniment.mailserver.gate import UnlimitedSlot
from muniment.mailserver.starttls import Plaintext
from muniment.pop3 import negotiate_stls
from tests.fuzz.choices import Choices
from tests.fuzz.hostile import Hostility
from tests.fuzz.virtual import End, Finding, VirtualLoop

_TIMEOUT_SECONDS = 10.0
_SLACK_SECONDS = 1.0
_MAY_SEND = re.compile(rb"[A-Z0-9]+ (CAPABILITY|STARTTLS)\r\n|STLS\r\n")
_INJECTED = [
    b"* CAPABILITY IMAP4rev1 EVIL\r\n", b"* PREAUTH in\r\n", b"+OK\r\n", b"* 1 EXISTS\r\n", b"\r\n", b"x",
    b"\x16\x03\x01", b"+OK\r\n1 9\r\n.\r\n", b"A1 OK\r\n", b"* 1 FETCH (UID 1 BODY[] {4}\r\nevil)\r\n", b"\n",
    b"* BYE\r\n", b"\0",
]  # fmt: skip


class _Socket(socket.socket):
    """A socket whose peer is a script: each command that is sent makes it say more."""

    def __init__(self, peer: _Peer) -> None:
        super().__init__(socket.AF_INET, socket.SOCK_STREAM)
        self.setblocking(False)
        self.peer = peer
        self.unread = bytearray(peer.greeting())
        self.heard = bytearray()

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return what the peer has said and nobody has read."""
        if not self.unread:
            if self.peer.is_gone:
                return b""
            raise BlockingIOError
        data = bytes(self.unread[:size])
        if not flags & socket.MSG_PEEK:
            del self.unread[:size]
            self.heard += data
        return data

    def send(self, data: object, flags: int = 0) -> int:
        """Let the peer answer."""
        assert isinstance(data, bytes | bytearray | memoryview)
        self.unread += self.peer.answer(bytes(data))
        return len(data)


class _Peer:
    """A server that offers STARTTLS; `injects`: plaintext follows its OK, or comes earlier."""

    def __init__(self, c: Choices, *, is_pop3: bool) -> None:
        self.commands: list[bytes] = []
        self.is_gone = False
        self.injected_last = False
        self.is_valid = not c.chance(192)
        self._c = c
        self._is_pop3 = is_pop3
        self._hostility = None if self.is_valid or c.chance(128) else Hostility(c, ())

    def greeting(self) -> bytes:
        """Return the greeting."""
        capabilities = self._c.pick([b"", b"[CAPABILITY IMAP4rev1 STARTTLS] ", b"[CAPABILITY IMAP4rev1] "])
        return self._said([b"+OK hello\r\n" if self._is_pop3 else b"* OK %bhello\r\n" % capabilities], b"*")

    def answer(self, command: bytes) -> bytes:
        """Return the answer to a command."""
        self.commands.append(command)
        if self._is_pop3:
            return self._said([b"+OK begin\r\n"], b"+OK")
        tag, _, name = command.rstrip().partition(b" ")
        untagged = [b"* CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN\r\n"] if name == b"CAPABILITY" else []
        return self._said([*untagged, tag + b" OK done\r\n"], tag)

    def _said(self, responses: list[bytes], tag: bytes) -> bytes:
        self.injected_last = False
        if self._hostility is not None:
            responses, trailing = self._hostility.changed(responses, tag)
            self.is_gone = self.is_gone or any(isinstance(one, End) for one in trailing)
        elif not self.is_valid and self._c.chance(96):
            responses.insert(self._c.below(len(responses) + 1), self._c.pick(_INJECTED))
            self.injected_last = responses[-1] in _INJECTED
        return b"".join(responses)


async def negotiate(loop: VirtualLoop, c: Choices, endings: Counter[str]) -> None:
    """Let a client speak to a server up to the handshake, and judge it."""
    is_pop3 = c.chance(128)
    peer = _Peer(c, is_pop3=is_pop3)
    loop.watch = lambda _: None
    began, ending = loop.time(), "ok"
    with _Socket(peer) as tcp:
        plain = Plaintext(tcp, "mail.example.com:143", _TIMEOUT_SECONDS, UnlimitedSlot())
        try:
            await (negotiate_stls if is_pop3 else negotiate_starttls)(plain)
            plain.check_silence()
        except MunimentError as error:
            ending = type(error).__name__
            _judge_error(peer, error)
        else:
            _judge_success(tcp, is_pop3=is_pop3)
    endings[ending] += 1
    if not all(_MAY_SEND.fullmatch(command) for command in peer.commands):
        raise Finding(f"the client sent {peer.commands!r} before TLS")
    if loop.time() > began + (1 + len(peer.commands)) * _TIMEOUT_SECONDS + _SLACK_SECONDS:
        raise Finding(f"the client waited for {loop.time() - began:g} s")


def _judge_success(tcp: _Socket, *, is_pop3: bool) -> None:
    if tcp.unread:
        raise Finding(f"the client begins TLS although the server has said {bytes(tcp.unread)!r}")
    if tcp.peer.injected_last:
        raise Finding(f"the client begins TLS after {bytes(tcp.heard)!r}, and something injected is the last of it")
    last = tcp.heard.rstrip(b"\r\n").rsplit(b"\n", 1)[-1]
    agreed = b"+OK" if is_pop3 else tcp.peer.commands[-1].split()[0] + b" OK"
    if not bytes(last).upper().startswith(agreed):
        raise Finding(f"the client begins TLS after {bytes(tcp.heard)!r}, which is no consent")


def _judge_error(peer: _Peer, error: MunimentError) -> None:
    text = str(error) + str(error.hint)
    if ": unexpected " in text or "something unreadable" in text:
        raise Finding(f"an undocumented error: {text}") from error
    if not text.isprintable():
        raise Finding(f"an error that cannot be printed: {text!r}") from error
    if peer.is_valid:
        raise Finding(f"a correct server was refused: {text}") from error
