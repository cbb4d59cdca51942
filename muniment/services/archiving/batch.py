"""What was fetched, and where it goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from muniment.mail.envelope import Envelope
from muniment.model.message import FetchedMessage
from muniment.model.multidrop import Multidrop


@dataclass
class Batch:
    """Fetched messages of one folder; `close` frees their bytes once, whatever happened to them.

    `cursor`: every UID up to it is dealt with when this batch is; 0 when that cannot be said.
    `breaks`: messages given up because the connection broke at each try.
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
        """Wait for a step that comes first; when it fails, free this batch, for nobody else will."""
        try:
            await step
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Free the messages and their share of the byte budget."""
        if self._closed:
            return
        self._closed = True
        for message in self.messages:
            if message.raw is not None:
                message.raw.close()
        self.release()


@dataclass(frozen=True)
class Distribution:
    """How the messages of a collecting mailbox's folder find their owners.

    `own`: the mailbox's own addresses, which are nobody's. `hint`: what the folder's path says.
    """

    rule: Multidrop
    own: frozenset[str]
    hint: Envelope


@dataclass(frozen=True)
class Target:
    """The folder that messages go to, and the numbering that their UIDs belong to.

    `renumbered`: the folder holds entries of an older numbering, among which they may be found. `distribution`: they
    are filed for their owners as well.
    """

    folder_id: int
    uidvalidity: int
    renumbered: bool
    distribution: Distribution | None = None


@dataclass(frozen=True)
class Filing:
    """A batch on its way into a folder."""

    target: Target
    batch: Batch
