"""Deletions on mail servers: what may go, and the ledger of what went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from muniment.db.database import Session
from muniment.db.sql import load
from muniment.errors import LeaseLost
from muniment.model.deletion import Deletion
from muniment.model.run import Lease

_SQL = load("deletions")


@dataclass(frozen=True)
class Candidate:
    """An archived message that the server may still have, and where its content is.

    `wrapper_begin`: what stands before it on the server, in a journal report.
    """

    uid: int
    store_id: int
    message_id: int
    sha256: bytes
    size: int
    wrapper_begin: bytes | None
    archived: datetime


async def candidates(
    session: Session, folder_id: int, uidvalidity: int, *, before: datetime | None, above: int, limit: int
) -> list[Candidate]:
    """Return up to `limit` archived messages with UIDs above `above`, received before a moment (None: whenever)."""
    return await session.rows(Candidate, _SQL["candidates"], folder_id, uidvalidity, before, above, limit)


async def archived(session: Session, folder_id: int, uidvalidity: int, uids: Sequence[int]) -> set[int]:
    """Return those of `uids` that are archived."""
    return set(await session.values(_SQL["archived"], folder_id, uidvalidity, list(uids)))


async def plan(session: Session, lease: Lease, folder_id: int, uidvalidity: int, chosen: Sequence[Candidate]) -> None:
    """Write down what the server is going to be told; LeaseLost when the lease is another's."""
    uids, hashes = [one.uid for one in chosen], [one.sha256 for one in chosen]
    own = await session.value(_SQL["plan"], lease.job_id, lease.fence, folder_id, uidvalidity, uids, hashes)
    if own is None:
        raise LeaseLost


async def confirm(session: Session, lease: Lease, folder_id: int, uidvalidity: int, uids: Sequence[int]) -> None:
    """Write down that the server does not list these messages any more; LeaseLost when the lease is another's.

    They are gone then all the same: whoever owns the job now finds that out.
    """
    if await session.value(_SQL["confirm"], lease.job_id, lease.fence, folder_id, uidvalidity, list(uids)) is None:
        raise LeaseLost


async def confirm_earlier(session: Session, folder_ids: Sequence[int]) -> None:
    """Close the rows of these folders whose messages have left them."""
    await session.execute(_SQL["confirm_earlier"], list(folder_ids))


async def ledger(session: Session, *, run_id: int | None, address: str | None, limit: int | None) -> list[Deletion]:
    """Return the newest rows, of a run or a mailbox or of everything; None: all."""
    return await session.rows(Deletion, _SQL["ledger"], run_id, address, limit)
