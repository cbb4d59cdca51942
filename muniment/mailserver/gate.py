"""The gate: who may open a connection to a mail server, and how fast it may be asked. A port; see muniment.governor."""

from __future__ import annotations

from typing import Protocol

from muniment.errors import MunimentError
from muniment.model.profile import Server


class ConnectionSlot(Protocol):
    """Held by one connection, from before it is made until it is closed."""

    def welcomed(self) -> None:
        """Note that the login was answered."""

    def release(self, *, clean: bool) -> None:
        """Give the slot back once: the connection is closed; `clean`: the server has closed it, too."""

    def complained(self, reason: str, *, too_many: bool, seconds: float) -> None:
        """Note that the server asks for less: `too_many` connections, or a pause of so many seconds (0: it names none)."""

    async def refused(self, error: MunimentError) -> MunimentError | None:
        """Learn from not being let in, and return what to raise instead of `error`, if anything."""

    def answered(self, seconds: float) -> None:
        """Note that a cheap command was answered after so many seconds."""

    async def spend(self, *, commands: int = 0, size: int = 0) -> None:
        """Wait until the server may be asked for so much more; ServerBusy when it wants a long pause."""


class Gate(Protocol):
    """Gives slots."""

    async def enter(self, server: Server) -> ConnectionSlot:
        """Wait for a slot; ServerBusy or BrokerUnavailable when there is none to be had now."""


class FreeSlot:
    """Allows everything."""

    def welcomed(self) -> None:
        """Do nothing."""

    def release(self, *, clean: bool) -> None:
        """Do nothing."""

    def complained(self, reason: str, *, too_many: bool, seconds: float) -> None:
        """Do nothing."""

    async def refused(self, error: MunimentError) -> MunimentError | None:  # noqa: ARG002
        """Learn nothing."""
        return None

    def answered(self, seconds: float) -> None:
        """Do nothing."""

    async def spend(self, *, commands: int = 0, size: int = 0) -> None:
        """Wait for nothing."""


class FreeGate:
    """Lets everybody in."""

    async def enter(self, server: Server) -> FreeSlot:  # noqa: ARG002
        """Return a slot at once."""
        return FreeSlot()
