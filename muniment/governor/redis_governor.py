"""The governor of a fleet: counts slots in Redis; each process keeps its slots alive with a heartbeat."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from muniment import log
from muniment.errors import BrokerUnavailable, MunimentError, ServerBusy, Transient
from muniment.governor.latency import Latency
from muniment.governor.script import FLEET, Answer, Call, Script
from muniment.governor.slot import ConnectionSlot
from muniment.governor.state import ServerState
from muniment.governor.timing import Timing
from muniment.model.profile import Server
from muniment.model.server_limits import ServerLimits
from muniment.process import process_name

_log = log.get(__name__)

_LOGIN_DELAY_SECONDS = 0.1  # many connections close before that and report the login with the release
_CLOSE_SECONDS = 2.0
_LISTEN_AGAIN_SECONDS = 1.0
_IDS_AT_ONCE = 500


@dataclass(frozen=True)
class Memory:
    """What the governor must know from a store that outlives Redis.

    `limits`: the configured limits of each server. `is_first`: whether nothing was ever counted, so an empty Redis
    has not lost anything.
    """

    limits: Callable[[], Awaitable[Mapping[str, ServerLimits]]]
    is_first: Callable[[], Awaitable[bool]]


class RedisGovernor:
    """One instance per process. Use it on one event loop and close it."""

    def __init__(self, script: Script, memory: Memory, default: ServerLimits, timing: Timing) -> None:
        self._script = script
        self._memory = memory
        self._default = default
        self._timing = timing
        self._process = f"{process_name()}:{secrets.token_hex(4)}"
        self._numbers = itertools.count(1)
        self._epoch = ""
        self._joining = asyncio.Lock()
        self._limits: Mapping[str, ServerLimits] = {}
        self._limits_until = 0.0
        self._slots: dict[str, ConnectionSlot] = {}
        self._waiting: dict[str, asyncio.Event] = {}
        self._outbox: list[Call] = []
        self._logged_in: dict[str, ConnectionSlot] = {}
        self._wake = asyncio.Event()
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []
        self._pauses: dict[str, tuple[float, str]] = {}
        self._latencies: dict[str, Latency] = {}

    # -- acquiring slots --------------------------------------------------------------------------

    async def enter(self, server: Server) -> ConnectionSlot:
        """Wait in line for a slot; raise ServerBusy if that takes too long, BrokerUnavailable if Redis is down."""
        slot = ConnectionSlot(
            self, server.name, f"{self._process}/{next(self._numbers)}", await self._limits_of(server.name)
        )
        woken = self._waiting[slot.id] = asyncio.Event()
        deadline = self._now() + self._timing.patience
        granted = False
        self._start()
        try:
            while True:
                answer = await self._run(self._call("acquire", slot))
                if answer[0] == "granted":
                    granted = True
                    self._slots[slot.id] = slot
                    return slot
                self._check_patience(slot, answer, deadline)
                self._start_listening()
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(self._timing.look, deadline - self._now())):
                        await woken.wait()
                woken.clear()
        finally:
            del self._waiting[slot.id]
            if not granted:
                self._send(self._call("release", slot, 0, 0))

    def _check_patience(self, slot: ConnectionSlot, answer: Answer, deadline: float) -> None:
        _, cause, milliseconds, limit, ahead, reason = answer
        left, blocked = deadline - self._now(), int(milliseconds) / 1000
        if left > 0 and blocked <= left:
            return
        if cause == "paused":
            self._note_pause(slot.server, blocked, reason)
            raise ServerBusy(f"{slot.server} requires a pause of {blocked:.0f} s: {reason}", seconds=blocked)
        if cause == "quiet":
            raise ServerBusy(f"connections to {slot.server} are being recounted", seconds=blocked)
        detail = f" ({reason})" if reason else ""
        raise ServerBusy(f"all {limit} connections to {slot.server} are in use{detail}; {ahead} are waiting ahead")

    async def _limits_of(self, server: str) -> ServerLimits:
        """Return the configured limits, no older than two heartbeats unless PostgreSQL is down."""
        if self._now() >= self._limits_until:
            try:
                self._limits = await self._memory.limits()
            except Transient:
                if not self._limits_until:
                    raise
            self._limits_until = self._now() + 2 * self._timing.heartbeat
        return self._limits.get(server, ServerLimits()).over(self._default)

    # -- reports from slots -----------------------------------------------------------------------

    def logged_in(self, slot: ConnectionSlot) -> None:
        """Report a successful login after a short delay."""
        self._logged_in[slot.id] = slot
        if len(self._logged_in) == 1:
            asyncio.get_running_loop().call_later(_LOGIN_DELAY_SECONDS, self._wake.set)

    def release(self, slot: ConnectionSlot, *, clean: bool) -> None:
        """Report at once that a connection is closed."""
        self._slots.pop(slot.id, None)
        self._logged_in.pop(slot.id, None)
        linger = 0 if clean else int(self._timing.linger * 1000)
        self._send(self._call("release", slot, int(slot.is_settled), linger))

    async def refuse(self, slot: ConnectionSlot, reason: str, *, too_many: bool) -> int | None:
        """Learn from a refusal; return None if it may have another cause or Redis is down."""
        self._slots.pop(slot.id, None)
        try:
            answer = await self._run(self._call("refuse", slot, reason, int(too_many)))
        except MunimentError:
            return None
        _log.info("connection refused", server=slot.server, reason=reason, learned=answer[1:])
        return int(answer[1]) if answer[0] == "learned" else None

    def throttle(self, slot: ConnectionSlot, reason: str, seconds: float) -> None:
        """Report at once that the server throttles; this process pauses until Redis returns the pause's length."""
        _log.warning("mail server throttles", server=slot.server, reason=reason)
        self._note_pause(slot.server, seconds or self._timing.pause, reason)
        self._send(self._call("throttle", slot, reason, int(seconds * 1000)))

    def report_latency(self, slot: ConnectionSlot, seconds: float) -> None:
        """Compare a round trip with the best recent one."""
        reason = self._latencies.setdefault(slot.server, Latency()).sample(seconds, self._now())
        if reason is not None:
            _log.warning("mail server has become slow", server=slot.server, reason=reason)
            self._send(self._call("slow", slot, reason))

    async def wait_for_pause(self, server: str) -> None:
        """Wait until a short pause is over; raise ServerBusy if it is long."""
        until, reason = self._pauses.get(server, (0.0, ""))
        seconds = until - self._now()
        if seconds <= 0:
            return
        if seconds > self._timing.patience:
            raise ServerBusy(f"{server} requires a pause of {seconds:.0f} s: {reason}", seconds=seconds)
        await asyncio.sleep(seconds)

    async def reserve(self, slot: ConnectionSlot, commands: int, size: int) -> float:
        """Reserve a share of the rates and return the seconds to wait; without Redis, assume no other connections."""
        rates = slot.limits.commands_per_second or 0.0, slot.limits.bytes_per_second or 0.0
        try:
            answer = await self._run(self._call("spend", slot, commands, rates[0], size, rates[1]))
        except BrokerUnavailable:
            return max(n / rate for n, rate in zip((commands, size), rates, strict=True) if rate)
        return int(answer[1]) / 1000

    # -- status -----------------------------------------------------------------------------------

    async def look(self) -> list[ServerState]:
        """Return the state of servers that were used recently or have configured limits, sorted by name."""
        configured = await self._memory.limits()
        names = sorted({*await self._script.servers(), *configured})
        answers = await self._script.run_all("", [Call("look", name) for name in names]) if names else []
        limits = [configured.get(name, ServerLimits()).over(self._default) for name in names]
        return [_state(*row) for row in zip(names, limits, answers, strict=True)]

    # -- Redis ------------------------------------------------------------------------------------

    def _call(self, action: str, slot: ConnectionSlot, *more: str | float) -> Call:
        return Call(action, slot.server, slot.id, slot.limits.connections or 0, more)

    async def _run(self, call: Call) -> Answer:
        for _ in range(3):
            if not self._epoch:
                await self._join()
            answer = await self._script.run(self._epoch, call)
            if answer[0] != "lost":
                return answer
            self._epoch = ""
        raise BrokerUnavailable("Redis keeps losing its data")

    async def _join(self) -> None:
        """Adopt the fleet's epoch, the identity of Redis' current count; after a change, register our slots again."""
        async with self._joining:
            if self._epoch:
                return
            epoch = await self._script.epoch()
            if epoch is None:
                # Other processes may hold connections that this Redis does not know of, unless there never were any.
                quiet = 0 if await self._memory.is_first() else int(self._timing.quiet * 1000)
                [epoch] = await self._script.run("", Call("begin", id=secrets.token_hex(8), more=(quiet,)))
                _log.info("governor restarts its count", quiet_seconds=quiet / 1000)
            await self._script.run_all(epoch, self._renewals())
            self._epoch = epoch

    def _renewals(self) -> list[Call]:
        by_server: dict[str, list[ConnectionSlot]] = {}
        for slot in self._slots.values():
            by_server.setdefault(slot.server, []).append(slot)
        return [
            _renewal(slots[start : start + _IDS_AT_ONCE])
            for slots in by_server.values()
            for start in range(0, len(slots), _IDS_AT_ONCE)
        ]

    def _send(self, call: Call) -> None:
        self._outbox.append(call)
        self._wake.set()

    def _start(self) -> None:
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._keep(), name="governor: heartbeat")]

    def _start_listening(self) -> None:
        if len(self._tasks) == 1:
            self._tasks.append(asyncio.create_task(self._listen(), name="governor: wake-up calls"))

    async def _keep(self) -> None:
        """Send the reports of slots and renew the slots; in one task, to keep the order."""
        beat = self._now()
        while not self._closing:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(beat + self._timing.heartbeat):
                    await self._wake.wait()
            self._wake.clear()
            due = self._now() >= beat + self._timing.heartbeat
            if due:
                beat = self._now()
            try:
                await self._flush(self._renewals() if due else [])
            except MunimentError as error:
                _log.warning("governor cannot reach redis", error=str(error))

    async def _flush(self, renewals: Sequence[Call] = ()) -> None:
        """Send everything. Unsent reports are dropped: slots expire, and refusals happen again."""
        calls, self._outbox = self._outbox, []
        calls += [self._call("logged_in", slot) for slot in self._logged_in.values()]
        self._logged_in.clear()
        calls += renewals
        if not calls:
            return
        if not self._epoch:
            await self._join()
        answers = await self._script.run_all(self._epoch, calls)
        if any(answer[0] == "lost" for answer in answers):
            self._epoch = ""
            await self._join()
            return
        for call, answer in zip(calls, answers, strict=True):
            if call.action in {"renew", "throttle"}:
                self._note_pause(call.server, int(answer[1]) / 1000, answer[2])

    async def _listen(self) -> None:
        """Wake the waiters that can get a slot now. Without notifications, waiters poll."""
        while True:
            try:
                async with self._script.subscription(f"{FLEET}:wake:{self._process}") as tickets:
                    async for ticket in tickets:
                        if ticket in self._waiting:
                            self._waiting[ticket].set()
            except BrokerUnavailable:
                await asyncio.sleep(_LISTEN_AGAIN_SECONDS)

    async def close(self) -> None:
        """Release every slot and place in line, and close the connections to Redis; takes at most a few seconds."""
        for slot in list(self._slots.values()):
            slot.release(clean=False)
        # Do not cancel at first: the Redis client may swallow a cancellation during a call.
        self._closing = True
        self._wake.set()
        for task in self._tasks[1:]:
            task.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_CLOSE_SECONDS)
            for task in late:
                task.cancel()
        with suppress(MunimentError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._flush()
        with suppress(MunimentError, TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._script.close()

    def _note_pause(self, server: str, seconds: float, reason: str) -> None:
        self._pauses[server] = (self._now() + seconds, reason)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _renewal(slots: Sequence[ConnectionSlot]) -> Call:
    settled = [slot.id for slot in slots if slot.is_settled]
    more: list[str | float] = [len(slots), *(slot.id for slot in slots), *settled]
    return Call("renew", slots[0].server, "", slots[0].limits.connections or 0, more)


def _state(server: str, limits: ServerLimits, answer: Answer) -> ServerState:
    open_, waiting, learned, reason, probe, pause, pause_reason, quiet = answer
    return ServerState(
        server=server,
        open=open_,
        waiting=waiting,
        configured=limits,
        learned=learned or None,
        learned_reason=reason,
        probe_seconds=probe / 1000,
        pause_seconds=pause / 1000,
        pause_reason=pause_reason if pause else "",
        quiet=bool(quiet),
    )
