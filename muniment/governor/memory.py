"""A governor in memory, for tests and for running services without Redis. It implements `Governor`."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, deque
from collections.abc import Mapping

from muniment.errors import BrokerUnavailable, ServerBusy
from muniment.governor.slot import ConnectionSlot
from muniment.governor.state import ServerState
from muniment.model.profile import Server
from muniment.model.server_limits import ServerLimits


class MemoryGovernor:
    """Counts the connections of one process to each server, and grants slots in order of the requests.

    `limits`: limits by server name; other servers have `default`. `patience`: seconds that `enter` waits for a slot.
    Rates are recorded in `commands` and `bytes` but not enforced. `is_away` simulates an outage of Redis.
    """

    def __init__(
        self,
        limits: Mapping[str, ServerLimits] | None = None,
        *,
        default: ServerLimits | None = None,
        patience: float = 0.0,
    ) -> None:
        self.is_away = False
        #: Reserved commands and bytes by server name, for servers with a rate.
        self.commands: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        #: The highest number of slots held at one time, by server name.
        self.most: Counter[str] = Counter()
        self._limits = dict(limits or {})
        self._default = default or ServerLimits()
        self._patience = patience
        self._numbers = itertools.count(1)
        self._held: dict[str, set[ConnectionSlot]] = {}
        self._waiting: dict[str, deque[asyncio.Future[ConnectionSlot]]] = {}
        self._learned: dict[str, tuple[int, str]] = {}
        self._pauses: dict[str, tuple[float, str]] = {}

    async def enter(self, server: Server) -> ConnectionSlot:
        """Return a slot; raise ServerBusy after `patience` or during a pause, BrokerUnavailable if `is_away`."""
        name = server.name
        self._check()
        await self.wait_for_pause(name)
        if self._is_free(name) and not self._waiting.get(name):
            return self._new_slot(name)
        return await self._wait_in_line(name)

    async def look(self) -> list[ServerState]:
        """Return the state of each server that was used or has configured limits."""
        self._check()
        return [self._state(name) for name in sorted({*self._held, *self._limits})]

    def pause(self, server: str, seconds: float, reason: str) -> None:
        """Grant nothing on a server for this many seconds; 0 ends the pause."""
        self._pauses[server] = (seconds, reason)

    async def close(self) -> None:
        """Do nothing."""

    # -- reports from slots -----------------------------------------------------------------------

    def logged_in(self, slot: ConnectionSlot) -> None:
        """Do nothing: a slot counts from the moment it is granted."""

    def release(self, slot: ConnectionSlot, *, clean: bool) -> None:  # noqa: ARG002 - nothing lingers within a process
        """Grant the slot to the first waiter."""
        self._held.get(slot.server, set()).discard(slot)
        self._grant(slot.server)

    async def refuse(self, slot: ConnectionSlot, reason: str, *, too_many: bool) -> int | None:
        """Learn the limit from a refusal if others are connected; return None if the refusal does not prove a limit."""
        others = self._held.get(slot.server, set())
        others.discard(slot)
        self._grant(slot.server)
        if not (too_many and others):
            return None
        self._learned[slot.server] = (len(others), reason)
        return len(others)

    def throttle(self, slot: ConnectionSlot, reason: str, seconds: float) -> None:
        """Start the pause that the server requires."""
        self.pause(slot.server, seconds or 1.0, reason)

    def report_latency(self, slot: ConnectionSlot, seconds: float) -> None:
        """Do nothing: nothing is slow within a process."""

    async def wait_for_pause(self, server: str) -> None:
        """Raise ServerBusy during a pause; never wait for its end."""
        seconds, reason = self._pauses.get(server, (0.0, ""))
        if seconds:
            raise ServerBusy(f"{server} requires a pause of {seconds:.0f} s: {reason}", seconds=seconds)

    async def reserve(self, slot: ConnectionSlot, commands: int, size: int) -> float:
        """Record the commands and bytes, and return 0: no wait."""
        self.commands[slot.server] += commands
        self.bytes[slot.server] += size
        return 0.0

    # -- counting ---------------------------------------------------------------------------------

    async def _wait_in_line(self, name: str) -> ConnectionSlot:
        place: asyncio.Future[ConnectionSlot] = asyncio.get_running_loop().create_future()
        line = self._waiting.setdefault(name, deque())
        line.append(place)
        try:
            async with asyncio.timeout(self._patience):
                return await asyncio.shield(place)
        except TimeoutError:
            self._leave_line(name, place)
            raise ServerBusy(f"{name} has all its {self._limit(name)} connections in use") from None
        except asyncio.CancelledError:
            self._leave_line(name, place)
            raise

    def _leave_line(self, name: str, place: asyncio.Future[ConnectionSlot]) -> None:
        if place.done():  # granted in the same event loop iteration
            place.result().release(clean=True)
        else:
            self._waiting[name].remove(place)

    def _grant(self, name: str) -> None:
        line = self._waiting.get(name, deque())
        while line and self._is_free(name):
            line.popleft().set_result(self._new_slot(name))

    def _new_slot(self, name: str) -> ConnectionSlot:
        slot = ConnectionSlot(self, name, str(next(self._numbers)), self._limits_of(name))
        held = self._held.setdefault(name, set())
        held.add(slot)
        self.most[name] = max(self.most[name], len(held))
        return slot

    def _is_free(self, name: str) -> bool:
        limit = self._limit(name)
        return limit is None or len(self._held.get(name, ())) < limit

    def _limit(self, name: str) -> int | None:
        return self._state(name).limit

    def _limits_of(self, name: str) -> ServerLimits:
        return self._limits.get(name, ServerLimits()).over(self._default)

    def _state(self, name: str) -> ServerState:
        learned, learned_reason = self._learned.get(name, (None, ""))
        pause, pause_reason = self._pauses.get(name, (0.0, ""))
        return ServerState(
            server=name,
            open=len(self._held.get(name, ())),
            waiting=len(self._waiting.get(name, ())),
            configured=self._limits_of(name),
            learned=learned,
            learned_reason=learned_reason,
            probe_seconds=0.0,
            pause_seconds=pause,
            pause_reason=pause_reason,
            quiet=False,
        )

    def _check(self) -> None:
        if self.is_away:
            raise BrokerUnavailable
