"""The gate: limits connections and the rate of commands per mail server. A port; `muniment.governor` implements it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from muniment.errors import MunimentError

if TYPE_CHECKING:
    from muniment.model.profile import Server


class ConnectionSlot(Protocol):
    """The right to hold one connection, from before it is opened until it is closed."""

    def logged_in(self) -> None:
        """Report that the server accepted the login."""

    def release(self, *, clean: bool) -> None:
        """Return the slot after the connection is closed. Call it once. `clean`: the server closed its end, too."""

    def report_throttling(self, reason: str, *, too_many: bool, seconds: float) -> None:
        """Report that the server throttles: `too_many` connections, or a pause of `seconds` (0 if it names none)."""

    async def report_refusal(self, error: MunimentError) -> MunimentError | None:
        """Learn from a refused connection or login; return the error to raise instead of `error`, if any."""

    def report_latency(self, seconds: float) -> None:
        """Report how many seconds the server took to answer a cheap command."""

    async def spend(self, *, commands: int = 0, size: int = 0) -> None:
        """Wait until the rate limits allow this many commands and bytes; raise ServerBusy if the pause is long."""


class Gate(Protocol):
    """Hands out connection slots."""

    async def enter(self, server: Server) -> ConnectionSlot:
        """Wait for a slot; raise ServerBusy or BrokerUnavailable if none is available now."""


class UnlimitedSlot:
    """A slot without limits."""

    def logged_in(self) -> None:
        """Do nothing."""

    def release(self, *, clean: bool) -> None:
        """Do nothing."""

    def report_throttling(self, reason: str, *, too_many: bool, seconds: float) -> None:
        """Do nothing."""

    async def report_refusal(self, error: MunimentError) -> MunimentError | None:  # noqa: ARG002
        """Return None: keep the error."""
        return None

    def report_latency(self, seconds: float) -> None:
        """Do nothing."""

    async def spend(self, *, commands: int = 0, size: int = 0) -> None:
        """Return at once."""


class UnlimitedGate:
    """A gate without limits."""

    async def enter(self, server: Server) -> UnlimitedSlot:  # noqa: ARG002
        """Return a slot at once."""
        return UnlimitedSlot()
