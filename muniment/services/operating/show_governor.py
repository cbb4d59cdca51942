"""Show the governor's state of each mail server."""

from __future__ import annotations

from muniment.errors import BrokerUnavailable
from muniment.governor import ServerState
from muniment.services.access.principal import Principal, Right
from muniment.services.resources import Resources


async def show_governor(principal: Principal, resources: Resources) -> list[ServerState] | None:
    """Return the mail servers used recently or with own limits, by name; None if Redis does not respond."""
    principal.require(Right.OPERATE, Right.PROCESS)
    if resources.governor is None:
        return []
    try:
        return await resources.governor.look()
    except BrokerUnavailable:
        return None
