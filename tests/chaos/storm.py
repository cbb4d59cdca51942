"""The storm: faults strike during runs; after each round, the archive must equal the source exactly."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from muniment.services.resources import Resources
from tests.chaos.diagnosis import diagnose
from tests.chaos.faults import Fault
from tests.chaos.world import World
from tests.support.proof import assert_exact, assert_searchable, assert_settled, begin, finish, persist
from tests.support.waiting import wait_until_async

#: Maximum delay of a strike after the system has made progress (seconds).
_LULL_SECONDS = 1.0
_MOVES_SECONDS = 15.0
_RUN_SECONDS = 180.0


@dataclass
class Toll:
    """What was broken, and what was archived nevertheless."""

    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    skipped: dict[str, str] = field(default_factory=dict)
    at_rest: int = 0
    broken_lines: int = 0
    rounds: int = 0
    runs: int = 0
    messages: int = 0
    seconds: float = 0.0
    trail: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Plan:
    """The extent of a storm: it ends after `seconds`, but not before each fault has struck `times` times.

    Each round has `strikes` strikes of up to `at_once` faults, and adds `messages` messages to each mailbox.
    """

    faults: Sequence[Fault]
    seconds: float = 0.0
    times: int = 1
    strikes: int = 3
    at_once: int = 3
    messages: int = 15


async def survive(world: World, resources: Resources, plan: Plan, toll: Toll, tell: Callable[[str], None]) -> None:
    """Run the storm; after each round, everything must be archived without intervention.

    AssertionError says what is wrong, and `toll.trail` what happened before.
    """
    began = time.monotonic()
    toll.skipped = {fault.name: reason for fault in plan.faults if (reason := fault.why_not(world))}
    faults = [fault for fault in plan.faults if fault.name not in toll.skipped]
    deck = _strikes(world.rng, faults, plan.at_once)
    try:
        while min((toll.faults[fault.name] for fault in faults), default=plan.times) < plan.times or (
            time.monotonic() - began < plan.seconds
        ):
            await _round(world, resources, plan, toll, [next(deck) for _ in range(plan.strikes)])
            toll.seconds = time.monotonic() - began
            tell(f"{toll.seconds:6.0f} s  round {toll.rounds}: {toll.trail[-1]}; {toll.messages} messages are exact")
    finally:
        toll.seconds = time.monotonic() - began
        toll.broken_lines = sum(proxy.broken for proxy in world.proxies)


async def _round(world: World, resources: Resources, plan: Plan, toll: Toll, strikes: Sequence[list[Fault]]) -> None:
    source = world.source
    await asyncio.to_thread(source.grow, plan.messages)
    await asyncio.to_thread(source.renumber)
    before = await asyncio.to_thread(source.files)
    toll.trail.append(" | ".join(" + ".join(fault.name for fault in strike) for strike in strikes))
    runs = [await begin(resources, name) for name in ("plain", "tls")]
    for strike in strikes:
        toll.at_rest += 0 if await _moves(resources) else len(strike)
        await asyncio.sleep(world.rng.uniform(0, _LULL_SECONDS))  # the random moment is the purpose
        await asyncio.gather(*(fault.strike(world, Random(world.rng.random())) for fault in strike))
        toll.faults.update(fault.name for fault in strike)
    for run_id in runs:
        run = await finish(resources, run_id, seconds=_RUN_SECONDS)
        assert run.mailboxes.done == run.mailboxes.total == len(source.addresses) // 2, run
        assert run.messages.seen == run.messages.archived + run.messages.known + run.messages.quarantined, run
        assert run.messages.quarantined == 0, run
    after = await asyncio.to_thread(source.files)
    assert after == before, "the source was changed"
    assert len(after) == source.messages, f"{len(after)} files"
    await persist(lambda: assert_settled(resources), "a settled archive")
    await assert_searchable(resources, source)
    try:
        await assert_exact(resources, source)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{await diagnose(resources, source)}") from error
    toll.rounds += 1
    toll.runs += len(runs)
    toll.messages = source.messages


def _strikes(rng: Random, faults: Sequence[Fault], at_once: int) -> Iterator[list[Fault]]:
    """Yield endless groups of simultaneous faults; each fault occurs once before any is repeated."""
    rest: list[Fault] = []
    while True:
        strike: list[Fault] = []
        for _ in range(rng.randint(1, at_once)):
            rest = rest or rng.sample(list(faults), len(faults))
            busy = {fault.kind for fault in strike}
            following = next((fault for fault in rest if fault.kind not in busy), None)
            if following is not None:
                rest.remove(following)
                strike.append(following)
        yield strike


async def _moves(resources: Resources) -> bool:
    """Wait for some seconds at most until the archive grows, so that a strike has something to damage."""

    async def done() -> int:
        query = "SELECT (SELECT coalesce(sum(seen), 0) FROM jobs) + (SELECT count(*) FROM search_documents)"
        async with resources.database.session() as session:
            return int(await session.value(query))

    before = await persist(done, "PostgreSQL")

    async def more() -> bool:
        return await persist(done, "PostgreSQL") > before

    with suppress(AssertionError):
        return await wait_until_async(more, "progress", seconds=_MOVES_SECONDS)
    return False
