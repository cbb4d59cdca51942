"""Replace a lost secret key."""

from __future__ import annotations

from uuid import uuid4

from muniment.db import installation
from muniment.db.installation import Hold, Installation
from muniment.sealing import KeyRing, SecretBox
from muniment.services.access.audit import Action, act, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources


@audited(Action.KEY_RESET)
async def reset_key(principal: Principal, resources: Resources, ring: KeyRing) -> None:
    """Make the newest key of `ring` the installation's key, and delete every stored password."""
    principal.require(Right.ADMIN)
    async with resources.database.transaction() as session:
        await installation.add(session, Installation(str(uuid4()), b""))
        found = await installation.find(session, Hold.SEALING)
        assert found is not None
        box = SecretBox.new(ring, found.id)
        await installation.set_key_check(session, box.check())
        await installation.forget_passwords(session)
        await act(session, principal, Action.KEY_RESET, "key", after={"key": box.active.id})
