"""The governor's interface for services."""

from __future__ import annotations

from typing import Protocol

from muniment.governor.slot import ConnectionSlot
from muniment.governor.state import ServerState
from muniment.model.profile import Server


class Governor(Protocol):
    """Grants connections to mail servers."""

    async def enter(self, server: Server) -> ConnectionSlot:
        """Return a slot for one connection.

        Raises ServerBusy if none becomes free within some seconds, BrokerUnavailable if Redis does not respond.
        """

    async def look(self) -> list[ServerState]:
        """Return the state of recently used servers, sorted by name; raise BrokerUnavailable if Redis is down."""
