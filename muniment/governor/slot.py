"""A slot: the right to one connection, from before it is made until it is really closed."""

from __future__ import annotations

import asyncio
import math
from typing import Protocol

from muniment.errors import MunimentError, ServerBusy
from muniment.model.server_limits import ServerLimits

_COMMANDS_AT_ONCE = 50
_SHARE_OF_A_SECOND = 20  # so that a bucket is asked 20 times per second at most, by the whole fleet


class Keeper(Protocol):
    """What a slot tells of its connection; sent to Redis with what others have to tell."""

    def welcome(self, slot: ConnectionSlot) -> None:
        """Note that the login was answered."""

    def leave(self, slot: ConnectionSlot, *, clean: bool) -> None:
        """Note that the connection is closed; `clean`: the server closed it, too."""

    async def refuse(self, slot: ConnectionSlot, reason: str, *, too_many: bool) -> int | None:
        """Learn from a refusal; return the limit that was learned from others being let in, None otherwise."""

    def throttle(self, slot: ConnectionSlot, reason: str, seconds: float) -> None:
        """Note that the server asks for less, for so many seconds if it names them (0: not)."""

    def answered(self, slot: ConnectionSlot, seconds: float) -> None:
        """Note the round trip of a cheap command."""

    async def wait_for_pause(self, server: str) -> None:
        """Return when the server wants no pause; ServerBusy when it wants a long one."""

    async def reserve(self, slot: ConnectionSlot, commands: int, size: int) -> float:
        """Take a share of the server's rates; return the seconds to wait before using it."""


class ConnectionSlot:
    """Held by one connection. Only `spend` and `refused` ever wait."""

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

    def welcomed(self) -> None:
        """Note that the login was answered."""
        if not self.is_over:
            self.is_settled = True
            self._keeper.welcome(self)

    def release(self, *, clean: bool) -> None:
        """Give the slot back once: the connection is closed; `clean`: the server has closed it, too."""
        if not self.is_over:
            self.is_over = True
            self._keeper.leave(self, clean=clean)

    def complained(self, reason: str, *, too_many: bool, seconds: float) -> None:
        """Note that the server asks for less: `too_many` connections, or a pause of so many seconds (0: it names none)."""
        if self.is_settled:
            self._keeper.throttle(self, reason, seconds)
        elif too_many:
            self._too_many = True
        else:
            self._wants_pause = seconds

    async def refused(self, error: MunimentError) -> MunimentError | None:
        """Learn from not being let in, and return what to raise instead of `error`; None: the error itself.

        A refusal that only shows how many connections the server allows says nothing about the mailbox.
        """
        if self._wants_pause is not None:
            self.release(clean=False)
            self._keeper.throttle(self, str(error), self._wants_pause)
            return None
        self.is_over = True
        limit = await self._keeper.refuse(self, str(error), too_many=self._too_many)
        if limit is None:
            return None
        return ServerBusy(f"{error} (so it seems to allow {limit} at once)")

    def answered(self, seconds: float) -> None:
        """Note that a cheap command was answered."""
        self._keeper.answered(self, seconds)

    async def spend(self, *, commands: int = 0, size: int = 0) -> None:
        """Wait until the server may be asked for so much more; ServerBusy when it wants a long pause."""
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
