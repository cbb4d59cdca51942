"""The governor of a fleet: slots are counted in Redis, and kept by a heartbeat of each process."""

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

_WELCOME_SECONDS = 0.1  # many connections are closed before, and say it then
_CLOSE_SECONDS = 2.0
_LISTEN_AGAIN_SECONDS = 1.0
_IDS_AT_ONCE = 500


@dataclass(frozen=True)
class Memory:
    """What the governor needs to know from a place that outlives Redis.

    `limits`: what is configured for each server. `is_first`: whether nothing was ever counted before, so that a Redis
    without memory has lost none.
    """

    limits: Callable[[], Awaitable[Mapping[str, ServerLimits]]]
    is_first: Callable[[], Awaitable[bool]]


class RedisGovernor:
    """One for each process; to be used on one event loop, and closed."""

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
        self._welcomed: dict[str, ConnectionSlot] = {}
        self._wake = asyncio.Event()
        self._closing = False
        self._tasks: list[asyncio.Task[None]] = []
        self._pauses: dict[str, tuple[float, str]] = {}
        self._latencies: dict[str, Latency] = {}

    # -- getting in -------------------------------------------------------------------------------

    async def enter(self, server: Server) -> ConnectionSlot:
        """Wait in line for a slot; ServerBusy when the line is long, BrokerUnavailable when Redis is away."""
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
                self._send(self._call("leave", slot, 0, 0))

    def _check_patience(self, slot: ConnectionSlot, answer: Answer, deadline: float) -> None:
        _, why, milliseconds, limit, ahead, reason = answer
        left, blocked = deadline - self._now(), int(milliseconds) / 1000
        if left > 0 and blocked <= left:
            return
        if why == "paused":
            self._note_pause(slot.server, blocked, reason)
            raise ServerBusy(f"{slot.server} wants a pause of {blocked:.0f} s: {reason}", seconds=blocked)
        if why == "quiet":
            raise ServerBusy(f"connections to {slot.server} are being counted again", seconds=blocked)
        said = f" ({reason})" if reason else ""
        raise ServerBusy(f"{slot.server} has all its {limit} connections in use{said}, {ahead} wait before this one")

    async def _limits_of(self, server: str) -> ServerLimits:
        """Return what is configured, not older than two heartbeats unless PostgreSQL is away."""
        if self._now() >= self._limits_until:
            try:
                self._limits = await self._memory.limits()
            except Transient:
                if not self._limits_until:
                    raise
            self._limits_until = self._now() + 2 * self._timing.heartbeat
        return self._limits.get(server, ServerLimits()).over(self._default)

    # -- what slots tell ------------------------------------------------------------------------

    def welcome(self, slot: ConnectionSlot) -> None:
        """Tell soon that a login was answered."""
        self._welcomed[slot.id] = slot
        if len(self._welcomed) == 1:
            asyncio.get_running_loop().call_later(_WELCOME_SECONDS, self._wake.set)

    def leave(self, slot: ConnectionSlot, *, clean: bool) -> None:
        """Tell at once that a connection is closed."""
        self._slots.pop(slot.id, None)
        self._welcomed.pop(slot.id, None)
        linger = 0 if clean else int(self._timing.linger * 1000)
        self._send(self._call("leave", slot, int(slot.is_settled), linger))

    async def refuse(self, slot: ConnectionSlot, reason: str, *, too_many: bool) -> int | None:
        """Learn from a refusal; None when it may have other reasons, or Redis is away."""
        self._slots.pop(slot.id, None)
        try:
            answer = await self._run(self._call("refuse", slot, reason, int(too_many)))
        except MunimentError:
            return None
        _log.info("connection refused", server=slot.server, reason=reason, learned=answer[1:])
        return int(answer[1]) if answer[0] == "learned" else None

    def throttle(self, slot: ConnectionSlot, reason: str, seconds: float) -> None:
        """Tell at once that the server asks for less; nobody here begins anything until Redis has said how long."""
        _log.warning("server asks for less", server=slot.server, reason=reason)
        self._note_pause(slot.server, seconds or self._timing.pause, reason)
        self._send(self._call("throttle", slot, reason, int(seconds * 1000)))

    def answered(self, slot: ConnectionSlot, seconds: float) -> None:
        """Compare a round trip with the best of late."""
        reason = self._latencies.setdefault(slot.server, Latency()).sample(seconds, self._now())
        if reason is not None:
            _log.warning("server has become slow", server=slot.server, reason=reason)
            self._send(self._call("slow", slot, reason))

    async def wait_for_pause(self, server: str) -> None:
        """Sit a short pause out; ServerBusy when it is a long one."""
        until, reason = self._pauses.get(server, (0.0, ""))
        seconds = until - self._now()
        if seconds <= 0:
            return
        if seconds > self._timing.patience:
            raise ServerBusy(f"{server} wants a pause of {seconds:.0f} s: {reason}", seconds=seconds)
        await asyncio.sleep(seconds)

    async def reserve(self, slot: ConnectionSlot, commands: int, size: int) -> float:
        """Take a share of the rates; without Redis, as much as if this were the only connection."""
        rates = slot.limits.commands_per_second or 0.0, slot.limits.bytes_per_second or 0.0
        try:
            answer = await self._run(self._call("spend", slot, commands, rates[0], size, rates[1]))
        except BrokerUnavailable:
            return max(n / rate for n, rate in zip((commands, size), rates, strict=True) if rate)
        return int(answer[1]) / 1000

    # -- looking ----------------------------------------------------------------------------------

    async def look(self) -> list[ServerState]:
        """Return the servers that were used of late or have limits of their own."""
        configured = await self._memory.limits()
        names = sorted({*await self._script.servers(), *configured})
        answers = await self._script.run_all("", [Call("look", name) for name in names]) if names else []
        limits = [configured.get(name, ServerLimits()).over(self._default) for name in names]
        return [_state(*found) for found in zip(names, limits, answers, strict=True)]

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
        raise BrokerUnavailable("Redis loses its memory again and again")

    async def _join(self) -> None:
        """Agree with the fleet since when Redis counts; when that is new, count our own slots again."""
        async with self._joining:
            if self._epoch:
                return
            epoch = await self._script.epoch()
            if epoch is None:
                # Others may hold connections of which this Redis knows nothing, unless nobody ever did.
                quiet = 0 if await self._memory.is_first() else int(self._timing.quiet * 1000)
                [epoch] = await self._script.run("", Call("begin", id=secrets.token_hex(8), more=(quiet,)))
                _log.info("governor counts anew", quiet_seconds=quiet / 1000)
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
        """Send what slots tell, and renew them; in one task, so that nothing overtakes."""
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
                _log.warning("governor cannot tell", error=str(error))

    async def _flush(self, renewals: Sequence[Call] = ()) -> None:
        """Send everything. What cannot be sent now is forgotten: slots run out, and refusals come again."""
        calls, self._outbox = self._outbox, []
        calls += [self._call("welcome", slot) for slot in self._welcomed.values()]
        self._welcomed.clear()
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
        """Wake those in line whose turn it is. Without these calls everybody looks now and then."""
        while True:
            try:
                async with self._script.subscription(f"{FLEET}:wake:{self._process}") as tickets:
                    async for ticket in tickets:
                        if ticket in self._waiting:
                            self._waiting[ticket].set()
            except BrokerUnavailable:
                await asyncio.sleep(_LISTEN_AGAIN_SECONDS)

    async def close(self) -> None:
        """Give back every slot and place in line, and close the connections to Redis; takes a few seconds at most."""
        for slot in list(self._slots.values()):
            slot.release(clean=False)
        # Not cancelled at first: the client of Redis may swallow that in the middle of a call.
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
