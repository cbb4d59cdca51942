"""How the mail servers stand with the governor."""

from __future__ import annotations

from muniment.errors import BrokerUnavailable
from muniment.governor import ServerState
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources


async def show_governor(principal: Principal, resources: Resources) -> list[ServerState] | None:
    """Return the mail servers that were used of late or have limits, by name; None when Redis does not answer."""
    principal.require(Right.OPERATE, Right.PROCESS)
    if resources.governor is None:
        return []
    try:
        return await resources.governor.look()
    except BrokerUnavailable:
        return None
