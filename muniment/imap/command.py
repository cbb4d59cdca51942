"""A command on the wire: aioimaplib's command, with arguments as bytes that no log or repr shows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from aioimaplib.aioimaplib import Command

from muniment.errors import MunimentError
from muniment.imap.refusal import Status
from muniment.imap.tokens import Part

#: What answers a continuation request of the server: bytes, or what makes them of its text (without `+` and blanks).
Reply = bytes | Callable[[bytes], bytes]

#: Gets the keyword of an untagged response and its parts; tells whether that is a piece of its answer.
#: The bodies of messages in `parts` are closed afterwards; who keeps one takes it out.
OnData = Callable[[bytes, list[Part]], bool]


class WireCommand(Command):  # type: ignore[misc]  # the library has no types
    """A command that is written piece by piece; after each but the last the server says `+`."""

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
        # The library files untagged answers under a name and allows one command per name;
        # the tag as that name lets several be in flight.
        super().__init__(name, tag, prefix="UID" if uid else None, untagged_resp_name=tag)
        self.label = f"UID {name}" if uid else name
        self.on_data = on_data
        self.status = Status("NO", "", b"", "not answered yet")
        start = f"{tag} {self.label}".encode()
        first = start + (b" " if pieces[0] != b"\r\n" else b"") + pieces[0]
        self._pieces: deque[Reply] = deque([first, *pieces[1:], *replies])

    def __repr__(self) -> str:
        return f"{self.tag} {self.label}"

    @property
    def has_more(self) -> bool:
        """Whether something is left to write."""
        return bool(self._pieces)

    def next_piece(self, question: bytes = b"") -> bytes:
        """Return what to write next, after the server's continuation request."""
        piece = self._pieces.popleft()
        return piece if isinstance(piece, bytes) else piece(question)

    def fail(self, error: MunimentError) -> None:
        """End the command with an error."""
        self._exception = error
        self.close(b"", "BAD")

    def finish(self, status: Status) -> None:
        """End the command with its tagged answer."""
        self.status = status
        self.close(b"", status.result)
