"""The kinds of faults. Each breaks one thing, waits briefly, repairs it, and returns."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random

import psutil
import redis

from muniment.embedded import endpoints
from muniment.queue.url import redis_py_url
from tests.chaos.proxy import Weather
from tests.chaos.world import World
from tests.support.processes import frozen
from tests.support.system import Role
from tests.support.waiting import wait_until

Strike = Callable[[World, Random], Awaitable[None]]

#: Duration of lasting faults (seconds): far less than a job's patience, but more than its lease.
_SHORTEST, _LONGEST = 1.0, 4.0
_ROLE_SECONDS = 60.0


@dataclass(frozen=True)
class Fault:
    """A fault. Faults of the same `kind` never overlap.

    `why_not`: the reason why this world cannot have the fault, if any.
    """

    name: str
    kind: str
    strike: Strike
    why_not: Callable[[World], str | None] = lambda _: None


# -- the connections to the mail server -------------------------------------------------------------


def _weather(name: str, make: Callable[[Random], Weather]) -> Fault:
    async def strike(world: World, rng: Random) -> None:
        world.set_weather(make(rng))
        try:
            await _last(rng)
        finally:
            world.set_weather(Weather())

    return Fault(name, "line", strike)


async def _cut(world: World, rng: Random) -> None:
    for _ in range(rng.randint(1, 4)):
        for proxy in world.proxies:
            proxy.cut()
        await asyncio.sleep(rng.uniform(0, 0.5))


async def _fall_silent(world: World, rng: Random) -> None:
    """Half-open connections: the other side disappears without closing them."""
    world.set_weather(Weather(silent_after=lambda: rng.randrange(30_000)))
    try:
        await _last(rng)
    finally:
        world.set_weather(Weather())
    # No real peer would resume these connections: they stay silent until Muniment closes them.


async def _break_tls(world: World, rng: Random) -> None:
    world.tls.cut()
    world.tls.weather = Weather(garbles=True)
    try:
        await _last(rng)
    finally:
        world.tls.weather = Weather()


LINE = (
    _weather("latency", lambda rng: Weather(latency=rng.uniform(0.05, 0.5))),
    _weather("narrow line", lambda rng: Weather(bytes_per_second=rng.uniform(5e3, 1e5))),
    _weather("slow loris", lambda _: Weather(drip=True)),
    _weather("reset within an answer", lambda rng: Weather(reset_after=lambda: rng.randrange(30_000))),
    _weather("connection refused", lambda _: Weather(refuses=True)),
    _weather("false sizes", lambda _: Weather(false_sizes=True)),
    Fault("every connection reset", "line", _cut),
    Fault("half-open connections", "line", _fall_silent),
    Fault("TLS failure", "line", _break_tls),
)


# -- the servers --------------------------------------------------------------------------------------


async def _restart_dovecot(world: World, rng: Random) -> None:
    await asyncio.to_thread(world.source.dovecot.kill if rng.random() < 0.5 else world.source.dovecot.restart)
    await asyncio.sleep(rng.uniform(0, 1))
    await asyncio.to_thread(world.source.dovecot.restart)


async def _terminate_backends(world: World, rng: Random) -> None:
    """Break all connections at once, as in a fail-over to another PostgreSQL."""
    for _ in range(rng.randint(1, 3)):
        for process in await asyncio.to_thread(world.system.processes, Role.BACKEND):
            _signal(process, signal.SIGTERM)
        await asyncio.sleep(rng.uniform(0, 0.5))


def _freeze(folder: str) -> Strike:
    async def strike(world: World, rng: Random) -> None:
        with frozen(world.system.data / folder, if_any=True):
            await _last(rng)

    return strike


async def _empty_valkey(world: World, rng: Random) -> None:
    found = endpoints.read(world.system.data)
    if found is None or found.redis_url is None:
        return
    url = redis_py_url(found.redis_url.reveal())
    with suppress(redis.RedisError):
        client = redis.Redis.from_url(url, socket_timeout=5)
        for _ in range(rng.randint(1, 3)):
            await asyncio.to_thread(client.flushall)
            await asyncio.sleep(rng.uniform(0, 0.5))
        client.close()


async def _fill_disk(world: World, rng: Random) -> None:
    try:
        await asyncio.to_thread(world.disk.fill)
        await _last(rng)
    finally:
        world.disk.free()


def _is_unmounted(world: World) -> str | None:
    return None if world.disk.is_mounted else "this user may not mount a small disk"


SERVERS = (
    Fault("mail server restart", "mail server", _restart_dovecot),
    Fault("database connections terminated", "postgres", _terminate_backends),
    Fault("postgres SIGSTOP", "postgres", _freeze("postgres")),
    Fault("valkey SIGSTOP", "valkey", _freeze("valkey")),
    Fault("valkey emptied", "valkey", _empty_valkey),
    Fault("disk full", "postgres", _fill_disk, _is_unmounted),
)


# -- the processes ------------------------------------------------------------------------------------


def _kill(role: Role) -> Fault:
    async def strike(world: World, rng: Random) -> None:
        await _with_one(world, role, rng, lambda process: process.kill())

    return Fault(f"{role} SIGKILL", role.value, strike)


def _terminate(role: Role) -> Fault:
    async def strike(world: World, rng: Random) -> None:
        await _with_one(world, role, rng, lambda process: process.terminate())

    return Fault(f"{role} SIGTERM", role.value, strike)


def _stop(role: Role, beyond_lease: bool = False) -> Fault:
    """Stop a process for a while; if beyond its lease, it resumes as a zombie whose jobs have other workers."""

    async def strike(world: World, rng: Random) -> None:
        victim = await _with_one(world, role, rng, lambda process: process.suspend())
        try:
            await asyncio.sleep(world.system.settings.lease_seconds + 2 if beyond_lease else 0)
            await _last(rng)
        finally:
            with suppress(psutil.NoSuchProcess):
                victim.resume()

    return Fault(f"{role} SIGSTOP{' beyond its lease' if beyond_lease else ''}", role.value, strike)


async def _second_scheduler(world: World, rng: Random) -> None:
    def run() -> None:
        with world.scheduler() as second:
            second.wait_for_line("beat: Starting")
            second.stop(rng.choice([signal.SIGTERM, signal.SIGKILL]))

    await asyncio.to_thread(run)


KILLS = tuple(_kill(role) for role in Role)
PROCESSES = (
    *(_terminate(role) for role in (Role.ARCHIVE, Role.INDEX, Role.SCHEDULER)),
    *(_stop(role) for role in (Role.ARCHIVE, Role.INDEX, Role.SCHEDULER)),
    _stop(Role.ARCHIVE, beyond_lease=True),
    Fault("two schedulers", "second scheduler", _second_scheduler),
)


# -- time ---------------------------------------------------------------------------------------------


def _jump(hours: int) -> Fault:
    async def strike(world: World, rng: Random) -> None:
        world.clock.shift(hours * 3600)
        try:
            await _last(rng)
        finally:
            world.clock.shift(0)

    return Fault(f"clocks {hours:+}h", "clock", strike, _has_no_clock)


async def _age_database(world: World, rng: Random) -> None:
    """PostgreSQL's clock jumps an hour ahead: every timestamp ages by an hour at once, and leases expire."""
    statements = (
        "UPDATE jobs SET lease_until = lease_until - interval '1 hour', not_before = not_before - interval '1 hour'"
        " WHERE state IN ('waiting', 'sent', 'running')",
        "UPDATE processes SET seen = seen - interval '1 hour'",
    )
    await world.execute(*statements)


def _has_no_clock(world: World) -> str | None:
    return None if world.clock.is_there else "there is no C compiler for the clock"


TIME = (_jump(1), _jump(-1), Fault("database clock +1h", "database clock", _age_database))

EVERYTHING = (*LINE, *SERVERS, *KILLS, *PROCESSES, *TIME)


# -- help ---------------------------------------------------------------------------------------------


async def _last(rng: Random) -> None:
    await asyncio.sleep(rng.uniform(_SHORTEST, _LONGEST))  # the random moment is the purpose


async def _with_one(world: World, role: Role, rng: Random, act: Callable[[psutil.Process], None]) -> psutil.Process:
    """Wait for a process of the role, do something to it, and return it."""

    def attempt() -> psutil.Process | None:
        try:
            victim = rng.choice(world.system.processes(role))
            act(victim)
        except (IndexError, psutil.NoSuchProcess):
            return None
        return victim

    victim = await asyncio.to_thread(wait_until, attempt, f"{role} to act upon", seconds=_ROLE_SECONDS)
    assert victim is not None
    return victim


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)
