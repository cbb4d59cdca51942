"""A slot: the right to hold one connection, from before it is opened until it is really closed."""

from __future__ import annotations

import asyncio
import math
from typing import Protocol

from muniment.errors import MunimentError, ServerBusy
from muniment.model.server_limits import ServerLimits

_COMMANDS_AT_ONCE = 50
_SHARE_OF_A_SECOND = 20  # the whole fleet takes from a bucket at most 20 times per second


class Keeper(Protocol):
    """Receives the reports of slots and sends them to Redis in batches."""

    def logged_in(self, slot: ConnectionSlot) -> None:
        """Record that the login succeeded."""

    def release(self, slot: ConnectionSlot, *, clean: bool) -> None:
        """Record that the connection is closed; `clean`: the server closed its end, too."""

    async def refuse(self, slot: ConnectionSlot, reason: str, *, too_many: bool) -> int | None:
        """Learn from a refusal; return the learned limit, or None if the refusal does not prove a limit."""

    def throttle(self, slot: ConnectionSlot, reason: str, seconds: float) -> None:
        """Record that the server throttles, for `seconds` (0 if it names no time)."""

    def report_latency(self, slot: ConnectionSlot, seconds: float) -> None:
        """Record the round trip of a cheap command."""

    async def wait_for_pause(self, server: str) -> None:
        """Return when the server requires no pause; raise ServerBusy if the pause is long."""

    async def reserve(self, slot: ConnectionSlot, commands: int, size: int) -> float:
        """Reserve a share of the server's rates; return the seconds to wait before using it."""


class ConnectionSlot:
    """The right to hold one connection. Only `spend` and `report_refusal` wait."""

    def __init__(self, keeper: Keeper, server: str, id_: str, limits: ServerLimits) -> None:
        self.server = server
        self.id = id_
        self.limits = limits
        self.is_settled = False
        self.is_over = False
        self._keeper = keeper
        self._too_many = False
        self._wants_pause: float | None = None
        self._commands = 0

    def logged_in(self) -> None:
        """Report that the server accepted the login."""
        if not self.is_over:
            self.is_settled = True
            self._keeper.logged_in(self)

    def release(self, *, clean: bool) -> None:
        """Return the slot after the connection is closed; idempotent. `clean`: the server closed its end, too."""
        if not self.is_over:
            self.is_over = True
            self._keeper.release(self, clean=clean)

    def report_throttling(self, reason: str, *, too_many: bool, seconds: float) -> None:
        """Report that the server throttles: `too_many` connections, or a pause of `seconds` (0 if it names none)."""
        if self.is_settled:
            self._keeper.throttle(self, reason, seconds)
        elif too_many:
            self._too_many = True
        else:
            self._wants_pause = seconds

    async def report_refusal(self, error: MunimentError) -> MunimentError | None:
        """Learn from a refused connection or login; return the error to raise instead of `error`, if any.

        A refusal that only reveals the server's connection limit says nothing about the mailbox.
        """
        if self._wants_pause is not None:
            self.release(clean=False)
            self._keeper.throttle(self, str(error), self._wants_pause)
            return None
        self.is_over = True
        limit = await self._keeper.refuse(self, str(error), too_many=self._too_many)
        if limit is None:
            return None
        return ServerBusy(f"{error} (the server seems to allow {limit} connections)")

    def report_latency(self, seconds: float) -> None:
        """Report how many seconds the server took to answer a cheap command."""
        self._keeper.report_latency(self, seconds)

    async def spend(self, *, commands: int = 0, size: int = 0) -> None:
        """Wait until the rate limits allow this many commands and bytes; raise ServerBusy if the pause is long."""
        if size:
            await self._keeper.wait_for_pause(self.server)
        seconds = 0.0
        if commands and self.limits.commands_per_second is not None:
            if self._commands < commands:
                share = math.ceil(self.limits.commands_per_second / _SHARE_OF_A_SECOND)
                taken = max(commands, min(_COMMANDS_AT_ONCE, share))
                seconds = await self._keeper.reserve(self, taken, 0)
                self._commands += taken
            self._commands -= commands
        if size and self.limits.bytes_per_second is not None:
            seconds = max(seconds, await self._keeper.reserve(self, 0, size))
        if seconds > 0:
            await asyncio.sleep(seconds)
