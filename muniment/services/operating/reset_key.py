"""Replace a lost secret key."""

from __future__ import annotations

from muniment.db import installation
from muniment.secrecy import SecretBox
from muniment.services.access.audit import Action, act, audited
from muniment.services.access.principal import Principal, Right
from muniment.services.operating.check_installation import sealed_check
from muniment.services.resources import Resources


@audited(Action.KEY_RESET)
async def reset_key(principal: Principal, resources: Resources, secrets: SecretBox) -> None:
    """Make the key of `secrets` the installation's key, and delete every stored password."""
    principal.require(Right.ADMIN)
    async with resources.database.transaction() as session:
        sealed = sealed_check(secrets)
        await installation.key_check(session, sealed)
        await installation.replace_key(session, sealed)
        await act(session, principal, Action.KEY_RESET, "installation")
