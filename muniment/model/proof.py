"""What the archive can say about completeness: UIDs that were compared, and STATUS that has been unchanged since."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Proofs:
    """Mailboxes with a proof, the time of the `oldest` comparison of UIDs, and how many are unchanged `by_status`."""

    mailboxes: int
    oldest: datetime | None
    by_status: int


NO_PROOFS = Proofs(0, None, 0)


@dataclass(frozen=True)
class MailboxProof:
    """How complete a mailbox is known to be.

    `proven`: no folder's UIDs were compared longer ago; None: there was never a proof. `visited`: the last run that
    compared every folder, or saw its STATUS unchanged.
    """

    user_name: str
    address: str
    proven: datetime | None
    visited: datetime | None


@dataclass(frozen=True)
class ArchivedMailbox:
    """A mailbox in the archive.

    `messages` are filed in its `folders`; `gone`: how many of them have left the server since. `oldest`, `newest`: when
    they were received. By the last comparison of each folder, the server listed `on_server` messages, of which the
    profile's filter left out `filtered`, and the archive lacked `missing`. `proven`, `visited`: as in `MailboxProof`.
    """

    user_name: str
    address: str
    folders: int
    messages: int
    gone: int
    oldest: datetime | None
    newest: datetime | None
    on_server: int
    filtered: int
    missing: int
    proven: datetime | None
    visited: datetime | None


@dataclass(frozen=True)
class ArchivedFolder:
    """A folder in the archive; counts and dates as in `ArchivedMailbox`.

    `proven`: when its UIDs were last compared; None: never. `unmoved`: when a run saw that its STATUS had not changed
    since; None: none did. `vanished`: since when the server does not list it. `refusal`: why the server does not open
    it. `distributed`: it holds mail from a collecting mailbox, and is no folder on a server.
    """

    address: str
    path: list[str]
    messages: int
    gone: int
    oldest: datetime | None
    newest: datetime | None
    on_server: int
    filtered: int
    missing: int
    quarantined: int
    proven: datetime | None
    unmoved: datetime | None
    vanished: datetime | None
    refusal: str
    distributed: bool
