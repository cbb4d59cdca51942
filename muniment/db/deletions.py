"""Deletions on mail servers: candidates, and the ledger of deleted messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from muniment.db.database import Session
from muniment.db.sql import load
from muniment.errors import LeaseLost
from muniment.mail.substitutes import Substitute
from muniment.model.deletion import Deletion, KeptMessage
from muniment.model.run import Lease

_SQL = load("deletions")


@dataclass(frozen=True)
class Candidate:
    """An archived message that may still be on the server, and the location of its content.

    `wrapper_begin`: the part of the journal report before the message, if it is in one. `received`: how many bytes the
    server delivered, with the report. `announced`: how many it announced, if that was another number. `substitute`:
    what the message is, if the server delivered it in place of another one.
    """

    uid: int
    store_id: int
    message_id: int
    sha256: bytes
    size: int
    wrapper_begin: bytes | None
    archived: datetime
    received: int
    announced: int | None
    substitute: str | None


async def candidates(
    session: Session, folder_id: int, uidvalidity: int, *, before: datetime | None, above: int, limit: int
) -> list[Candidate]:
    """Return up to `limit` archived messages with UIDs above `above`, received before `before` (None: at any time)."""
    return await session.rows(Candidate, _SQL["candidates"], folder_id, uidvalidity, before, above, limit)


@dataclass(frozen=True)
class Kept:
    """A message that stays on the server because something is wrong.

    `announced`: the size that the server announces, if that is the reason. `substitute`: what the message is, if it was
    recognised only now.
    """

    candidate: Candidate
    reason: str
    announced: int | None = None
    substitute: Substitute | None = None


async def keep(session: Session, lease: Lease, folder_id: int, uidvalidity: int, found: Sequence[Kept]) -> None:
    """Record messages that stay on the server; does nothing if the lease is lost."""
    of = [one.candidate for one in found]
    columns = (
        [candidate.uid for candidate in of],
        [candidate.sha256 for candidate in of],
        [one.reason for one in found],
        [one.announced for one in found],
        [candidate.received if one.announced is not None else None for candidate, one in zip(of, found, strict=True)],
    )
    await session.execute(_SQL["keep"], lease.job_id, lease.fence, folder_id, uidvalidity, *columns)


async def forget_kept(session: Session, run_id: int, folder_id: int) -> None:
    """Forget the messages of a folder that earlier runs kept and this one did not."""
    await session.execute(_SQL["forget_kept"], run_id, folder_id)


async def kept(session: Session, *, run_id: int | None, address: str | None, limit: int | None) -> list[KeptMessage]:
    """Return up to `limit` (None: all) messages that stay on the server although a rule matches."""
    return await session.rows(KeptMessage, _SQL["kept"], run_id, address, limit)


async def archived(session: Session, folder_id: int, uidvalidity: int, uids: Sequence[int]) -> set[int]:
    """Return those of `uids` that are archived."""
    return set(await session.values(_SQL["archived"], folder_id, uidvalidity, list(uids)))


async def plan(session: Session, lease: Lease, folder_id: int, uidvalidity: int, chosen: Sequence[Candidate]) -> None:
    """Record the deletions that are about to be sent to the server; LeaseLost if the lease is lost."""
    uids, hashes = [candidate.uid for candidate in chosen], [candidate.sha256 for candidate in chosen]
    own = await session.value(_SQL["plan"], lease.job_id, lease.fence, folder_id, uidvalidity, uids, hashes)
    if own is None:
        raise LeaseLost


async def confirm(session: Session, lease: Lease, folder_id: int, uidvalidity: int, uids: Sequence[int]) -> None:
    """Record that the server no longer lists these messages; LeaseLost if the lease is lost.

    In that case, the new owner of the job finds that the messages are gone.
    """
    if await session.value(_SQL["confirm"], lease.job_id, lease.fence, folder_id, uidvalidity, list(uids)) is None:
        raise LeaseLost


async def confirm_earlier(session: Session, folder_ids: Sequence[int]) -> None:
    """Confirm the planned deletions in these folders whose messages have left the server."""
    await session.execute(_SQL["confirm_earlier"], list(folder_ids))


async def asked(session: Session, folder_id: int, uidvalidity: int) -> set[int]:
    """Return the UIDs that the server was told to delete, without knowing what became of them."""
    return set(await session.values(_SQL["asked"], folder_id, uidvalidity))


async def ledger(session: Session, *, run_id: int | None, address: str | None, limit: int | None) -> list[Deletion]:
    """Return the newest `limit` rows (None: all), optionally only those of a run or a mailbox."""
    return await session.rows(Deletion, _SQL["ledger"], run_id, address, limit)
