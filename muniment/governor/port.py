"""The governor as services see it."""

from __future__ import annotations

from typing import Protocol

from muniment.governor.slot import ConnectionSlot
from muniment.governor.state import ServerState
from muniment.model.profile import Server


class Governor(Protocol):
    """Says who may connect to a mail server, and when."""

    async def enter(self, server: Server) -> ConnectionSlot:
        """Return the slot for one connection.

        ServerBusy when it is not to be had for some seconds, BrokerUnavailable when nobody can say.
        """

    async def look(self) -> list[ServerState]:
        """Return how the servers of late stand, by name; BrokerUnavailable when nobody can say."""
