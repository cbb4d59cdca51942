"""A command on the wire: aioimaplib's command, with byte arguments that appear in no log and no repr."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from aioimaplib.aioimaplib import Command

from muniment.errors import MunimentError
from muniment.imap.refusal import Status
from muniment.imap.tokens import Part

#: The reply to a continuation request: bytes, or a function that makes them from the request's text, stripped of `+`.
Reply = bytes | Callable[[bytes], bytes]

#: Receives the keyword of an untagged response and its parts; returns whether it is part of the command's answer.
#: Message bodies left in `parts` are closed afterwards; a callback that keeps one must remove it from `parts`.
OnData = Callable[[bytes, list[Part]], bool]


class WireCommand(Command):  # type: ignore[misc]  # the library has no types
    """A command that is written in pieces; before each piece but the first, the server sends `+`."""

    def __init__(
        self,
        name: str,
        tag: str,
        pieces: Sequence[bytes],
        *,
        uid: bool,
        on_data: OnData | None,
        replies: Sequence[Reply] = (),
    ) -> None:
        # The library stores untagged responses by name and allows one command per name;
        # using the tag as the name allows several in flight.
        super().__init__(name, tag, prefix="UID" if uid else None, untagged_resp_name=tag)
        self.label = f"UID {name}" if uid else name
        self.on_data = on_data
        self.status = Status("NO", "", b"", "no answer yet")
        start = f"{tag} {self.label}".encode()
        first = start + (b" " if pieces[0] != b"\r\n" else b"") + pieces[0]
        self._pieces: deque[Reply] = deque([first, *pieces[1:], *replies])

    def __repr__(self) -> str:
        return f"{self.tag} {self.label}"

    @property
    def has_more(self) -> bool:
        """Whether there are pieces left to write."""
        return bool(self._pieces)

    def next_piece(self, question: bytes = b"") -> bytes:
        """Return the piece to write next, given the text of the server's continuation request."""
        piece = self._pieces.popleft()
        return piece if isinstance(piece, bytes) else piece(question)

    def fail(self, error: MunimentError) -> None:
        """Complete the command with an error."""
        self._exception = error
        self.close(b"", "BAD")

    def finish(self, status: Status) -> None:
        """Complete the command with its tagged response."""
        self.status = status
        self.close(b"", status.result)
