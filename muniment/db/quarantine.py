"""The quarantine: messages that are missing in the archive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from muniment.db.database import Session, is_id
from muniment.db.messages import StoredMessage
from muniment.db.sql import load
from muniment.errors import NotFound
from muniment.model.quarantined import QuarantineChoice, Quarantined

_SQL = load("quarantine")


@dataclass(frozen=True)
class StoredPart:
    """A part of the bytes of a message that could not be archived, encoded as in `contents.codec`."""

    codec: int
    data: bytes


async def list_(
    session: Session, choice: QuarantineChoice, *, accepted: bool | None = None, limit: int | None = None
) -> list[Quarantined]:
    """Return up to `limit` (None: all) chosen messages; `accepted`: only those that are, or (False) are not.

    Raises NotFound if the choice names an id that does not exist.
    """
    given = None if not choice.ids else [id_ for id_ in choice.ids if is_id(id_)]
    of = (given, choice.address, choice.substitutes)
    found = await session.rows(Quarantined, _SQL["list"], *of, None if choice.ids else accepted, limit)
    missing = set(choice.ids).difference(message.id for message in found)
    if missing:
        raise NotFound(
            f"no message in quarantine has the number {min(missing)}",
            hint="`muniment quarantine list` shows the numbers. A message leaves the quarantine when it is archived.",
        )
    return found


async def accept(session: Session, ids: Sequence[int], who: str, reason: str) -> None:
    """Record that `who` accepts that these messages are missing."""
    await session.execute(_SQL["accept"], list(ids), who, reason)


async def retry(session: Session, ids: Sequence[int]) -> None:
    """Have the next run try these messages again; this takes back that they were accepted."""
    await session.execute(_SQL["retry"], list(ids))


async def profiles(session: Session, ids: Sequence[int]) -> list[str]:
    """Return the names of the profiles that archived the mailboxes of these messages last."""
    return await session.values(_SQL["profiles"], list(ids))


def parts(session: Session, id_: int) -> AsyncIterator[StoredPart]:
    """Yield the bytes of a message that could not be archived; requires a transaction."""
    return session.stream(StoredPart, _SQL["parts"], id_)


async def content(session: Session, id_: int) -> StoredMessage | None:
    """Return where the substitute of a message is stored; None if nothing was delivered in its place."""
    return await session.row(StoredMessage, _SQL["content"], id_)
