"""Kill processes at random moments while run after run archives a source that grows and changes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from muniment.services.doors import Doors
from muniment.services.submit_profile import submit_profile
from tests.support.proof import assert_exact, assert_searchable, assert_settled, begin, finish, persist
from tests.support.source import Source
from tests.support.system import Role, System
from tests.support.waiting import wait_until_async

#: Kills within one strike come this close together, and a strike this long after the system moved again (seconds).
_STRIKE_SECONDS = 0.3
_LULL_SECONDS = 1.0


@dataclass
class Toll:
    """What was killed, and what was archived all the same."""

    kills: Counter[Role] = field(default_factory=Counter)
    at_rest: int = 0
    runs: int = 0
    messages: int = 0

    def __str__(self) -> str:
        kills = ", ".join(f"{role} {count}" for role, count in sorted(self.kills.items()))
        total = self.kills.total()
        return (
            f"{total} kills ({kills}), {self.at_rest} of them while nothing moved; "
            f"{self.runs} runs, {self.messages} messages archived exactly"
        )


async def survive(
    system: System,
    source: Source,
    *,
    seed: int,
    kills: int,
    messages: int,
    roles: Sequence[Role] = tuple(Role),
    tell: Callable[[str], None] = lambda _line: None,
) -> Toll:
    """Kill each role `kills` times during runs; afterwards everything must be archived, without any help.

    `messages`: by so many the mailboxes grow for each run. The system must be started.
    """
    toll = Toll()
    async with system.doors() as doors:
        await submit_profile(doors.database, doors.secrets, source.profile("chaos"))
        killing = asyncio.create_task(_kill(system, doors, toll, Random(f"chaos {seed}"), kills, roles, tell))
        try:
            killed = False
            while not killed:
                killed = killing.done()  # the last run is one without kills
                await _run(doors, source, messages)
                toll.runs += 1
        finally:
            killing.cancel()
            await asyncio.wait({killing})
        killing.result()
        toll.messages = source.messages
        await assert_settled(doors)
        await assert_searchable(doors, source)
        await assert_exact(doors, source)
    return toll


async def _run(doors: Doors, source: Source, messages: int) -> None:
    """Let the source grow and change, then archive it; it must be as it was before."""
    await asyncio.to_thread(source.grow, messages)
    if source.changes_numbers:
        await asyncio.to_thread(source.renumber)
    before = await asyncio.to_thread(source.files)
    await finish(doors, await begin(doors, "chaos"))
    assert await asyncio.to_thread(source.files) == before


def strikes(rng: Random, kills: int, roles: Sequence[Role]) -> Iterator[list[Role]]:
    """Yield what is killed together: one to three roles, each role `kills` times in all."""
    for _ in range(kills):
        order = rng.sample(list(roles), len(roles))
        while order:
            size = rng.randint(1, 3)
            yield order[:size]
            order = order[size:]


async def _kill(
    system: System,
    doors: Doors,
    toll: Toll,
    rng: Random,
    kills: int,
    roles: Sequence[Role],
    tell: Callable[[str], None],
) -> None:
    for strike in strikes(rng, kills, roles):
        toll.at_rest += 0 if await _moves(doors) else len(strike)
        # A random moment is the point here: a commit, a FETCH, a publication, a restart may be under way.
        await asyncio.sleep(rng.uniform(0, _LULL_SECONDS))
        for role in strike:
            await wait_until_async(lambda role=role: _attempt(system, role, rng), f"{role} to kill", seconds=60)  # type: ignore[misc]
            toll.kills[role] += 1
            await asyncio.sleep(rng.uniform(0, _STRIKE_SECONDS))
        tell(f"{toll.kills.total()} killed, {toll.runs} runs: {', '.join(strike)}")


async def _attempt(system: System, role: Role, rng: Random) -> bool:
    return await asyncio.to_thread(system.kill, role, rng) is not None


async def _moves(doors: Doors) -> bool:
    """Wait until the archive grows, for some seconds at most: between two strikes something should be at risk."""

    async def done() -> int:
        query = "SELECT (SELECT coalesce(sum(seen), 0) FROM jobs) + (SELECT count(*) FROM search_documents)"
        async with doors.database.session() as session:
            return int(await session.value(query))

    before = await persist(done, "PostgreSQL")

    async def more() -> bool:
        return await persist(done, "PostgreSQL") > before

    try:
        return await wait_until_async(more, "progress", seconds=15)
    except AssertionError:
        return False
