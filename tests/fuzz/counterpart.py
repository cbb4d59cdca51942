"""The peer in a dialogue: reads commands and sends the responses of a server that `Choices` controls."""

from __future__ import annotations

from tests.fuzz.choices import Choices
from tests.fuzz.hostile import Hostility
from tests.fuzz.mailbox import MailFolder
from tests.fuzz.server import TrueServer
from tests.fuzz.virtual import End, Send


class Counterpart:
    """A server; `is_valid` if it sends only correct responses. `answers` counts the responses."""

    def __init__(self, c: Choices, folders: list[MailFolder], secrets: tuple[bytes, ...]) -> None:
        self.folders = folders
        self.is_valid = not c.chance(192)
        self.answers = 0
        self._c = c
        self._true = TrueServer(c, folders)
        self._hostility = None if self.is_valid else Hostility(c, secrets)
        self._cuts = c.below(5)
        self._line = b""

    @property
    def mutations(self) -> list[str]:
        """The mutations applied to correct responses, by kind."""
        return self._hostility.done if self._hostility is not None else []

    def greeting(self) -> list[Send | End]:
        """Return the greeting."""
        return self._sent([self._true.greeting()], b"*")

    def received(self, data: bytes) -> list[Send | End]:
        """Process a piece of a command; return the response to it."""
        self._line += data
        if self._line.endswith(b"}\r\n") and not self._line.endswith(b"+}\r\n"):
            return self._sent([b"+ more\r\n"], b"*")
        tag, _, rest = self._line.removesuffix(b"\r\n").partition(b" ")
        name, _, words = rest.partition(b" ")
        if self._hostility is not None and name in {b"LOGIN", b"AUTHENTICATE"}:
            self._hostility.knows_secret = True
        if name == b"UID":
            second, _, words = words.partition(b" ")
            name += b" " + second
        if name == b"AUTHENTICATE" and words == b"PLAIN":
            return self._sent([b"+ \r\n"], b"*")
        self._line = b""
        if tag == b"*":
            return []  # the client cancels its AUTHENTICATE
        return self._sent(self._true.answer(tag, name, words), tag)

    def _sent(self, responses: list[bytes], tag: bytes) -> list[Send | End]:
        trailing: list[Send | End] = []
        if self._hostility is not None:
            responses, trailing = self._hostility.changed(responses, tag)
        self.answers += len(responses)
        return [*self._cut(b"".join(responses)), *trailing]

    def _cut(self, data: bytes) -> list[Send]:
        """Split the response into the pieces in which it arrives."""
        if self._cuts < 2 or len(data) > 20_000:
            return [Send(data)] if data else []
        most = (4, 40, 255)[self._cuts - 2]
        pieces: list[Send] = []
        at = 0
        while at < len(data) and len(pieces) < 60:
            size = 1 + self._c.below(most)
            pieces.append(Send(data[at : at + size]))
            at += size
        if at < len(data):
            pieces.append(Send(data[at:]))
        return pieces
