"""Batches of fetched messages, and the folder each goes to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from muniment.mail.envelope import Envelope
from muniment.model.message import FetchedMessage
from muniment.model.multidrop import Multidrop


@dataclass
class Batch:
    """Fetched messages of one folder; `close` frees their memory once.

    `cursor`: once this batch is committed, every UID up to it has been handled; 0 if that is not known. `breaks`: how
    many messages were given up because the connection was lost at every attempt to fetch them.
    """

    cursor: int
    messages: list[FetchedMessage]
    release: Callable[[], None] = lambda: None
    breaks: int = 0
    _closed: bool = field(default=False, init=False)

    @property
    def size(self) -> int:
        """Bytes of all messages."""
        return sum(message.raw.size for message in self.messages if message.raw is not None)

    async def after(self, step: Awaitable[None]) -> None:
        """Wait for a step that must come first; if it fails, free this batch, because its consumer never sees it."""
        try:
            await step
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Free the messages and release their share of the byte budget."""
        if self._closed:
            return
        self._closed = True
        for message in self.messages:
            if message.raw is not None:
                message.raw.close()
        self.release()


@dataclass(frozen=True)
class Distribution:
    """How messages in a folder of a collecting mailbox are assigned to users.

    `own`: the mailbox's own addresses, which belong to no user. `hint`: the owner that the folder's path suggests.
    """

    rule: Multidrop
    own: frozenset[str]
    hint: Envelope


@dataclass(frozen=True)
class Target:
    """The folder that messages go to, and the UIDVALIDITY of their UIDs.

    `renumbered`: the folder holds entries of an older UIDVALIDITY, which may be the same messages. `distribution`: set
    if the messages are also filed for their owners. `again`: UIDs that are archived as substitutes and fetched once
    more.
    """

    folder_id: int
    uidvalidity: int
    renumbered: bool
    distribution: Distribution | None = None
    again: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Filing:
    """A batch and the folder it goes to."""

    target: Target
    batch: Batch
