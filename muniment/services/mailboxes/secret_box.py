"""The box that seals and opens this installation's secrets."""

from __future__ import annotations

from uuid import uuid4

from muniment.db import installation
from muniment.db.database import Session
from muniment.db.installation import Hold, Installation
from muniment.errors import Misconfigured
from muniment.sealing import KeyRing, SecretBox


async def current_box(session: Session, ring: KeyRing, hold: Hold = Hold.NOTHING) -> SecretBox:
    """Return the box of the installation; the first key that is used with a database becomes its key.

    Look it up for each use: the active key may change. Whoever stores what the box seals asks for it in the same
    transaction, with `Hold.ACTIVE_KEY`. Raises Misconfigured if the ring lacks the installation's key, or if the
    installation's row was deleted: then a foreign key could pass for the first one.
    """
    found = await installation.find(session, hold)
    if found is None:
        if await installation.is_used(session):
            raise Misconfigured(
                "the row of the table `installation` is missing, by which this database recognises its key",
                hint="Somebody deleted it: restore a backup, or delete all stored passwords with `muniment key reset`.",
            )
        new = str(uuid4())
        await installation.add(session, Installation(new, SecretBox.new(ring, new).check()))
        found = await installation.find(session, hold)
        assert found is not None
    return SecretBox.checked(ring, found.id, found.key_check)
