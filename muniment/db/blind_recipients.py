"""Envelope recipients that the header of a message does not show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from muniment.db.database import Session
from muniment.db.sql import load

_SQL = load("blind_recipients")


class BlindRecipient(NamedTuple):
    """A message reached a user by an address that its header does not show."""

    message_id: int
    user_id: int
    address: str


async def add(session: Session, store_id: int, recipients: Sequence[BlindRecipient]) -> None:
    """Record blind recipients, and have their messages indexed again; what is known changes nothing."""
    if recipients:
        once = sorted(set(recipients))
        await session.execute(
            _SQL["add"],
            store_id,
            [one.message_id for one in once],
            [one.user_id for one in once],
            [one.address for one in once],
        )
