"""Assigns numbers, used as UIDs, to the unique ids (UIDL) of POP3 messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from muniment.db.database import Session
from muniment.db.sql import load

_SQL = load("pop3")


@dataclass(frozen=True)
class _Known:
    uidl: str
    uid: int


async def number(session: Session, mailbox_id: int, uidls: Sequence[str]) -> dict[str, int]:
    """Return the permanent number of each id; new ids get higher numbers, in order. Requires a transaction."""
    await session.execute(_SQL["lock"], mailbox_id)
    known = await _known(session, mailbox_id, uidls)
    new = [uidl for uidl in uidls if uidl not in known]
    if new:
        await session.execute(_SQL["add"], mailbox_id, new)
        known |= await _known(session, mailbox_id, new)
    return known


async def look_up(session: Session, mailbox_id: int, uidls: Sequence[str]) -> dict[str, int]:
    """Return the numbers that `number` would assign, without storing them."""
    known = await _known(session, mailbox_id, uidls)
    last: int = await session.value(_SQL["last"], mailbox_id)
    new = [uidl for uidl in uidls if uidl not in known]
    return known | {uidl: last + position for position, uidl in enumerate(new, 1)}


async def _known(session: Session, mailbox_id: int, uidls: Sequence[str]) -> dict[str, int]:
    return {row.uidl: row.uid for row in await session.rows(_Known, _SQL["known"], mailbox_id, list(uidls))}
