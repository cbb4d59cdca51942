"""How the mail servers stand with the governor."""

from __future__ import annotations

from muniment.errors import BrokerUnavailable
from muniment.governor import ServerState
from muniment.services.resources import Resources


async def show_governor(resources: Resources) -> list[ServerState] | None:
    """Return the mail servers that were used of late or have limits, by name; None when Redis does not answer."""
    if resources.governor is None:
        return []
    try:
        return await resources.governor.look()
    except BrokerUnavailable:
        return None
